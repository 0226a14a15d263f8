"""One drawn person, painted from the wall behind to the hat on top.

Everything here is a function of the person's attributes and factors alone (`mien.faces.drawn.drawn_faces` names them).
A feature's `depth` is how far it slides when the head turns: the nose most, the ears the other way.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mien.faces.drawn.shapes import Canvas, Color, Floats, Number, Patch, Stops, between, cover, mix, ramp, tint, wave

SKIN: Stops = ((255, 226, 202), (246, 202, 168), (226, 168, 124), (178, 117, 78), (136, 88, 62), (108, 70, 54))
WALL: Stops = (
    (250, 186, 168),
    (255, 216, 168),
    (250, 234, 170),
    (184, 226, 190),
    (156, 217, 216),
    (160, 196, 240),
    (190, 182, 240),
    (240, 186, 216),
)
CLOTH: Stops = (
    (226, 88, 80),
    (238, 158, 58),
    (92, 158, 98),
    (36, 142, 150),
    (52, 96, 170),
    (116, 80, 164),
    (206, 82, 134),
)
IRIS: Stops = ((62, 38, 30), (96, 60, 38), (122, 104, 52), (72, 128, 92), (58, 124, 186))
HAIR: dict[str, tuple[int, int, int]] = {
    "Black_Hair": (42, 37, 52),
    "Brown_Hair": (104, 58, 36),
    "Blond_Hair": (244, 206, 112),
    "Gray_Hair": (190, 194, 206),
}
RED_HAIR = (200, 80, 40)
INK = (44, 34, 48)
WHITE = (255, 253, 250)


class Portrait:
    """N people on one canvas.  person: each property, [N]"""

    def __init__(self, person: Mapping[str, Floats], size: int) -> None:
        self.person = person
        self.male, self.young = person["Male"], person["Young"]
        self.long = person["Long_Hair"]
        self.canvas = Canvas(size, person["tilt"] * (np.pi / 180))  # the sine of so small an angle
        self.head, self.body = self.canvas.head, self.canvas.body
        self.width = person["face_width"] * between(0.96, 1.06, self.male)
        self.skin = ramp(SKIN, person["skin_tone"])
        self.shadow = tint(self.skin, (0.84, 0.73, 0.71))
        self.cloth = ramp(CLOTH, person["clothes_hue"], wheel=True)
        self.hair = self.hair_color()

    def hair_color(self) -> Color:
        """Red, or the colour named, lighter or darker by the person's shade; darker too, to stand out, on deep skin."""
        color: Color = RED_HAIR
        for name, named in HAIR.items():
            color = mix(color, named, self.person[name])
        shade = 1 + 0.12 * self.person["hair_shade"] - 0.16 * self.person["skin_tone"]
        return tint(color, (shade, shade, shade))

    def curls(self, patch: Patch) -> Floats:
        """Pixels by which curly hair bulges out of the outline of its patch, at the top and at the sides."""
        bulge = wave(patch.u * 2.5) * (patch.v * patch.v) + wave(patch.v * 3.0 + 0.5) * (patch.u * patch.u)
        height: Floats = np.maximum(self.person["hair_curl"] - 0.5, 0) * (0.13 * self.canvas.pixels)
        return bulge * height

    def at(self, depth: float, x: Number = 0.0) -> Floats:
        """Where across the picture a feature lies that is x to the right of the middle of the face."""
        return x * self.width + self.person["yaw"] * depth

    def down(self, depth: float, y: Number) -> Floats:
        """Where down the picture a feature lies whose place is y."""
        return y + self.person["pitch"] * depth

    def paint(self) -> NDArray[np.uint8]:
        """Paint every layer.  -> uint8 [N,size,size,3]"""
        self.paint_wall()
        self.paint_hair_behind()
        self.paint_body()
        self.paint_face()
        self.paint_age()
        self.paint_beard()
        self.paint_nose()
        self.paint_mouth()
        for side in (-1.0, 1.0):
            self.paint_eye(side)
            self.paint_brow(side)
        self.paint_hair()
        self.paint_locks()
        self.paint_glasses()
        self.paint_hat()
        return self.canvas.images()

    def paint_wall(self) -> None:
        """A pastel wall with a lighter disc behind the head."""
        wall = ramp(WALL, self.person["background_hue"], wheel=True)
        for plane, color in zip(self.canvas.planes, wall, strict=True):
            plane[:] = color
        disc = self.body.patch(0.0, -0.05, 0.93, 0.93)
        self.canvas.lay(disc, cover(disc.oval()) * 0.38, WHITE)

    def paint_hair_behind(self) -> None:
        """Long hair behind the neck, down to the shoulders."""
        full = self.person["hair_volume"]
        patch = self.head.patch(self.at(-0.03), 0.1, between(0.66, 0.73, full) * self.width, 0.86, margin=0.07)
        edge = patch.oval(patch.u * (1 - 0.12 * patch.v)) + self.curls(patch)
        self.canvas.lay(patch, cover(edge) * self.long, mix(self.hair, INK, 0.3))

    def paint_body(self) -> None:
        """Neck and clothes: a woman's neck is slim over a round neckline, a man's thick in an open collar."""
        male, lay = self.male, self.canvas.lay
        shoulders = self.body.patch(0.0, 1.14, between(0.72, 1.0, male), between(0.34, 0.4, male))
        lay(shoulders, cover(shoulders.oval()), self.cloth)
        scoop = self.body.patch(self.at(0.01), 0.82, 0.36, 0.17)
        lay(scoop, cover(scoop.oval()) * (1 - male), self.skin)
        neck = self.body.patch(self.at(0.0), 0.66, between(0.19, 0.32, male), 0.3)
        square = neck.v * neck.v
        tube = np.minimum((1 - np.abs(neck.u)) * neck.x_pixels, (1 - square * square) * (neck.y_pixels / 4))
        lay(neck, cover(tube), self.skin)
        chin = (0.38 - neck.v - 0.3 * neck.u * neck.u) * neck.y_pixels
        lay(neck, cover(tube, chin) * 0.8, self.shadow)
        for side in (-1.0, 1.0):
            flap = self.body.patch(self.at(0.0, side * 0.2), 0.93, 0.2, 0.1, slant=-side * 0.9)
            lay(flap, cover(flap.oval()) * male, mix(self.cloth, WHITE, 0.8))

    def paint_face(self) -> None:
        """Ears and head: a woman's jaw narrows to the chin, a man's is wide and square. Light falls from a side."""
        male, lay, light = self.male, self.canvas.lay, self.person["light_direction"]
        for side in (-1.0, 1.0):
            ear = self.head.patch(self.at(-0.05, side * 0.5), self.down(-0.03, 0.1), 0.095, 0.135)
            lay(ear, cover(ear.oval()), self.skin)
            lay(ear, cover(ear.oval() - 0.045 * self.canvas.pixels) * 0.8, self.shadow)
        face = self.head.patch(self.at(0.015), 0.1, 0.49 * self.width, 0.6, margin=0.05)
        square = face.v * face.v
        chin = square + (square * square - square) * (0.55 * male)
        edge = face.oval(face.u * (1 + between(0.2, 0.0, male) * face.v), chin)
        inside = cover(edge)
        lay(face, inside, self.skin)
        slope = np.clip(0.75 * face.u * -light + 0.25 * face.v - 0.1, 0, 0.6)
        lay(face, inside * slope * self.person["light_strength"], mix(self.shadow, INK, 0.15))
        for side in (-1.0, 1.0):
            cheek = self.head.patch(self.at(0.06, side * 0.29), self.down(0.04, 0.29), 0.15, 0.12)
            soft = np.clip(1 - cheek.u * cheek.u - cheek.v * cheek.v, 0, 1)
            lay(cheek, soft * between(0.5, 0.2, male), mix(self.shadow, (240, 90, 90), 0.55))
        self.face, self.face_edge = face, edge

    def paint_age(self) -> None:
        """Lines of the forehead, from nose to mouth and under the eyes, of those who are not young."""
        old = 1 - self.young
        line = mix(self.shadow, INK, between(0.14, 0.42, self.person["skin_tone"]))
        for y in (-0.36, -0.27):
            crease = self.head.patch(self.at(0.07), self.down(0.04, y), 0.26, 0.1)
            self.canvas.lay(crease, cover(crease.lens(-0.22, 0.22, -0.25)) * old, line)
        for side in (-1.0, 1.0):
            bag = self.head.patch(self.at(0.085, side * 0.235), self.down(0.05, 0.15), 0.13, 0.1)
            self.canvas.lay(bag, cover(bag.lens(-0.15, 0.25, 0.35)) * old, line)
            fold = self.head.patch(self.at(0.09, side * 0.225), self.down(0.04, 0.385), 0.08, 0.14)
            self.canvas.lay(fold, cover(fold.crescent(*sorted((side * 0.32, side * 0.9)))) * old, line)

    def paint_beard(self) -> None:
        """A full beard with a moustache, in the colour of the hair."""
        has, color = self.person["Beard"], mix(self.hair, INK, 0.16)
        face, pixels = self.face, self.canvas.pixels
        square = face.u * face.u
        line = (face.v - between(0.36, 0.44, 0.5) + 0.6 * square * square * square) * face.y_pixels
        self.canvas.lay(face, cover(self.face_edge + 0.03 * pixels, line) * has, color)
        lip = self.head.patch(self.at(0.085), self.down(0.04, 0.345), 0.26, 0.12)
        self.canvas.lay(lip, cover(lip.lens(-0.55, 0.6)) * has, color)

    def paint_nose(self) -> None:
        """A shaded side and a rounded tip."""
        large = self.person["nose_size"] * between(0.9, 1.12, self.male)
        side = self.head.patch(self.at(0.12), self.down(0.05, 0.1), 0.05 * large, 0.15)
        self.canvas.lay(side, cover(side.oval()) * 0.35, self.shadow)
        tip = self.head.patch(self.at(0.135), self.down(0.06, 0.215), 0.1 * large, 0.07)
        self.canvas.lay(tip, cover(tip.lens(-0.15, 0.85)), mix(self.shadow, INK, 0.12))

    def paint_mouth(self) -> None:
        """A broad smile with teeth, or closed lips; lipstick makes the lips full and red."""
        smile, lipstick = self.person["Smiling"], self.person["Wearing_Lipstick"]
        amount, lay = self.person["smile_amount"], self.canvas.lay
        wide = between(0.19, between(0.25, 0.29, amount), smile) * self.person["mouth_width"]
        patch = self.head.patch(self.at(0.09), self.down(0.04, between(0.43, 0.37, smile)), wide, 0.2, margin=0.12)
        full = between(between(0.2, 0.14, self.male), 0.34, lipstick)
        drop = between(0.0, between(0.85, 1.15, amount), smile)
        bend = between(between(-0.14, 0.1, amount), 0.0, smile)
        natural = mix(mix(self.shadow, (190, 70, 80), 0.5), INK, 0.1)
        lips = cover(patch.lens(0.25 * smile - full, drop + full, bend))
        lay(patch, lips, mix(natural, (208, 24, 64), lipstick))
        inner = patch.lens(0.25 * smile - 0.07, drop + 0.07, bend) - 0.02 * self.canvas.pixels * smile
        lay(patch, cover(inner), mix(mix(natural, INK, 0.6), (120, 28, 44), smile))
        teeth = patch.lens(between(0.0, 0.24, smile), 0.72 * drop) - 0.015 * self.canvas.pixels
        lay(patch, cover(teeth) * smile, WHITE)

    def paint_eye(self, side: float) -> None:
        """White, iris, pupil, glint and lid; a woman's lid is dark and ends in lashes."""
        person, lay, male = self.person, self.canvas.lay, self.male
        near = 1 - 0.16 * side * person["yaw"]
        x, y = self.at(0.09, side * 0.235 * person["eye_spacing"]), self.down(0.05, 0.03)
        wide, high = (
            0.118 * near * between(1.04, 0.94, male),
            0.09 * person["eye_open"] * between(1.08, 0.88, male) * between(0.86, 1.0, self.young),
        )
        eye = self.head.patch(x, y, wide, high, margin=0.02)
        white = eye.oval()
        lay(eye, cover(white), WHITE)
        look = person["gaze"] * 0.3
        for radius, color in ((0.074, ramp(IRIS, person["iris_color"])), (0.038, INK)):
            across, up = (eye.u - look) * (wide / radius), eye.v * (high / radius)
            lay(eye, cover((1 - across * across - up * up) * (radius / 2 * self.canvas.pixels), white), color)
        glint = self.head.patch(x + look * wide - 0.026, y - 0.03, 0.024, 0.024)
        lay(glint, cover(glint.oval()), WHITE)
        lid = self.head.patch(x, y, wide * 1.14, high, margin=0.07)
        lay(lid, cover(lid.lens(between(-1.5, -1.22, male), -0.72)), INK)
        lash = self.head.patch(x + side * wide * 1.1, y - 0.055, 0.075, 0.04, slant=-side * 0.6)
        lay(lash, cover(lash.lens(-0.6, 0.6)) * (1 - male), INK)

    def paint_brow(self, side: float) -> None:
        """A woman's brow is thin and arched, a man's thick, straight and low."""
        male = self.male
        y = self.down(0.05, between(-0.165, -0.13, male) - 0.025 * self.person["brow_height"])
        brow = self.head.patch(self.at(0.09, side * 0.245), y, between(0.13, 0.17, male), 0.1, slant=side * 0.15)
        edge = brow.lens(-between(0.22, 0.55, male), between(0.12, 0.35, male), between(-0.35, -0.1, male))
        self.canvas.lay(brow, cover(edge), mix(mix(self.hair, INK, 0.4), (196, 194, 196), 0.6 * (1 - self.young)))

    def paint_hair(self) -> None:
        """What covers the top of the head: a man's down to the ears, a woman's over them; and the fringe."""
        person, pixels = self.person, self.canvas.pixels
        part, full = person["hair_part"], person["hair_volume"] * between(1.0, 0.6, self.male)
        wide, high = between(0.55, 0.6, full) * self.width, between(0.68, 0.76, full)
        cap = self.head.patch(self.at(-0.01), -0.13, wide, high, margin=0.07, until=0.3)
        y = self.head.y[cap.box]
        across = (self.head.x[cap.box] - self.at(0.03)) * (1 / (0.445 * self.width))
        square = across * across
        forehead = between(0.66, 0.58, self.young)
        upward = np.clip(y - 0.14, -2, 0) * (1 / forehead) + (part * 0.27) * across
        hairline = (square + upward * upward - 1) * (0.25 * pixels)
        fringe = (0.1 * square + 0.07 * wave(across * 1.7 + part) - y) * pixels
        fringe += (self.down(0.03, -0.19) - 3 * (1 - person["Bangs"])) * pixels
        covered = np.maximum(hairline, fringe)
        ends = (between(between(0.25, 0.06, self.male), 0.3, self.long) - y) * pixels
        above = np.clip(cap.v, -2, 0)  # the sides hang straight
        outer = cap.oval(v_square=above * above) + self.curls(cap)
        inside = cover(outer, covered, ends)
        self.canvas.lay(cap, cover(outer, covered + 0.05 * pixels, ends) * 0.55, self.shadow)
        self.canvas.lay(cap, inside, self.hair)
        self.paint_sheen(cap, inside, outer)

    def paint_sheen(self, cap: Patch, inside: Floats, outer: Floats) -> None:
        """A band of light around the hair, on the side of the light, and the lines between strands."""
        band = np.clip(outer * (14 / cap.x_pixels) - 2.4, -1, 1)
        band = 1 - band * band
        band *= np.clip((0.35 * self.person["light_direction"]) * cap.u - 0.45 * cap.v, 0, 0.5)
        strands = np.clip(0.2 - wave(cap.u * (1.6 - 1.2 * cap.v) + (0.3 * self.person["hair_part"] + 0.5)), 0, 1)
        self.canvas.lay(cap, inside * (band + strands), mix(self.hair, WHITE, 0.5))

    def paint_locks(self) -> None:
        """Long hair in front of the ears and shoulders."""
        for side in (-1.0, 1.0):
            lock = self.head.patch(
                self.at(0.0, side * 0.56), 0.3, between(0.13, 0.17, self.person["hair_volume"]), 0.66, margin=0.03
            )
            edge = lock.oval(lock.u + side * 0.35 * (lock.v * lock.v - 0.3))
            self.canvas.lay(lock, cover(edge) * self.long, self.hair)

    def paint_glasses(self) -> None:
        """Round-cornered dark frames, glass and arms."""
        has, lay, pixels = self.person["Eyeglasses"], self.canvas.lay, self.canvas.pixels
        y = self.down(0.05, 0.035)
        for side in (-1.0, 1.0):
            arm = self.head.patch(self.at(0.02, side * 0.45), y - 0.03, 0.1, 0.025)
            lay(arm, cover(arm.oval()) * has, INK)
            wide = 0.195 * (1 - 0.12 * side * self.person["yaw"])
            glass = self.head.patch(self.at(0.09, side * 0.24), y, wide, 0.165)
            across, up = glass.u * glass.u, glass.v * glass.v
            edge = (1 - across * across - up * up) * (0.045 * pixels)
            inner = cover(edge - 0.042 * pixels)
            lay(glass, inner * has * 0.25, WHITE)
            lay(glass, (cover(edge) - inner) * has, INK)
        bridge = self.head.patch(self.at(0.095), y - 0.03, 0.07, 0.05)
        lay(bridge, cover(bridge.lens(-0.4, 0.4, -0.5)) * has, INK)

    def paint_hat(self) -> None:
        """A knitted hat with a ribbed band."""
        has, lay = self.person["Wearing_Hat"], self.canvas.lay
        dome = self.head.patch(self.at(-0.01), -0.4, 0.64 * self.width, 0.55)
        rim = (-dome.v) * dome.y_pixels
        lay(dome, cover(dome.oval(), rim) * has, self.cloth)
        band = self.head.patch(self.at(0.0), -0.43, 0.66 * self.width, 0.12, margin=0.05)
        low = band.v + 0.35 * (1 - band.u * band.u)
        across, up = band.u * band.u, low * low
        across *= across
        edge = (1 - across * across - up * up) * (0.03 * self.canvas.pixels)
        rib = 1 - wave(band.u * 6 + 0.5)
        lay(band, cover(edge) * has, mix(self.cloth, WHITE, 0.35))
        lay(band, cover(edge) * has * rib * 0.6, mix(self.cloth, INK, 0.2))
