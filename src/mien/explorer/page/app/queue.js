/** In which order things are done that take a while. */

/** Does one thing at a time, in the order asked. */
export class Queue {
  constructor() {
    /** @type {Promise<any>} */
    this.last = Promise.resolve();
  }

  /** @template T @param {() => Promise<T>} task @returns {Promise<T>} */
  add(task) {
    const done = this.last.then(task, task);
    this.last = done.catch(() => {});
    return done;
  }
}

/** Does the newest thing asked; what still waits when something newer comes is dropped. */
export class Latest {
  /** @param {(error: any) => void} fail told of what goes wrong */
  constructor(fail) {
    this.fail = fail;
    this.busy = false;
    this.stopped = false;
    /** @type {(() => Promise<void>) | null} */
    this.next = null;
  }

  /** @param {() => Promise<void>} task */
  ask(task) {
    this.next = task;
    if (!this.busy && !this.stopped) this.work();
  }

  async work() {
    this.busy = true;
    while (this.next && !this.stopped) {
      const task = this.next;
      this.next = null;
      try {
        await task();
      } catch (error) {
        if (!this.stopped) this.fail(error);
      }
    }
    this.busy = false;
  }

  stop() {
    this.stopped = true;
  }
}
