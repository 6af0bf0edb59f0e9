"""Two kinds of plot as SVG text: bars in groups, and curves. A value of math.inf is drawn as "never", None is left out."""
import math
from xml.sax.saxutils import escape

COLOURS = {"direct": "#868e96", "rathole": "#e8890c", "openssh": "#9c36b5", "fairlead": "#0c8599"}
_OTHER = "#1971c2"
_WIDTH, _HEIGHT = 760, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 84, 52
_INK, _FAINT = "#212529", "#dee2e6"


class _Canvas:
    def __init__(self, title, subtitle):
        self.pieces = []
        self.text(_LEFT, 26, title, size=16, weight="bold")
        self.text(_LEFT, 45, subtitle, size=12, colour="#495057")

    def add(self, name, **attributes):
        self.pieces.append(f"<{name} " + " ".join(f'{key.replace("_", "-")}="{_number(value)}"' for key, value in attributes.items()) + "/>")

    def text(self, x, y, words, size=11, anchor="start", colour=_INK, weight="normal", turned=False):
        turn = f' transform="rotate(-90 {x:g} {y:g})"' if turned else ""
        self.pieces.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
                           f'font-weight="{weight}"{turn}>{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, colour=_FAINT, width=1, dashes=None):
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=width, **({"stroke_dasharray": dashes} if dashes else {}))

    def legend(self, names):
        at = _LEFT
        for name in names:
            self.add("rect", x=at, y=56, width=11, height=11, fill=COLOURS.get(name, _OTHER))
            self.text(at + 16, 66, name)
            at += 30 + 7 * len(name)

    def done(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
                'font-family="system-ui, sans-serif">\n<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(self.pieces) + "\n</svg>\n")


def _number(value):
    return format(value, ".1f") if isinstance(value, float) else value


class _Scale:
    """Values to pixels between `start` and `end`, linear from 0 or by decades."""

    def __init__(self, values, start, end, log):
        self.start, self.end, self.log = start, end, log
        finite = [value for value in values if value is not None and math.isfinite(value) and (value > 0 or not log)] or [1]
        if log:
            self.low, self.high = _step_at_most(min(finite) / 1.3), _round_up(max(finite) * 1.1, (1, 2, 5, 10))
        else:
            self.low, self.high = 0, _round_up(max(finite) * 1.05)

    def at(self, value):
        if self.log:
            share = (math.log10(max(value, self.low)) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        else:
            share = value / self.high
        return self.start + (self.end - self.start) * min(1.0, share)

    def ticks(self):
        if not self.log:
            return [self.high * step / 5 for step in range(6)]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = (1, 2, 5) if len(decades) <= 4 else (1,)
        return [step * 10.0**decade for decade in decades for step in steps if self.low * 0.999 <= step * 10.0**decade <= self.high * 1.001]


class _Nines:
    """Shares in percent so that 90, 99 and 99.9 are equally far from each other: what is slow is what one wants to see."""

    def __init__(self, start, end):
        self.start, self.end = start, end

    def at(self, value):
        return self.start + (self.end - self.start) * min(1.0, -math.log10(max(1 - value / 100, 1e-9)) / 3.2)

    @staticmethod
    def ticks():
        return (0, 50, 90, 99, 99.9)


def _round_up(value, steps=(1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)):
    base = 10.0 ** math.floor(math.log10(value))
    return next(step * base for step in steps if step * base >= value * 0.999)


def _step_at_most(value):
    base = 10.0 ** math.floor(math.log10(value))
    return next(step * base for step in (5, 2, 1) if step * base <= value * 1.001)


def short(value):
    return "never" if math.isinf(value) else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def bars(title, subtitle, unit, groups, log=False, bounds=None):
    """`groups`: {label: {peer: value}}. `bounds`: {label: value}, drawn across its group as what Fairlead is held to."""
    canvas, bounds = _Canvas(title, subtitle), bounds or {}
    peers = list(dict.fromkeys(peer for group in groups.values() for peer in group))
    values = [value for group in groups.values() for value in group.values()] + list(bounds.values())
    floor = _HEIGHT - _BOTTOM
    scale = _Scale(values, floor, _TOP + 14, log)
    canvas.legend(peers)
    _y_axis(canvas, scale, unit)
    room = (_WIDTH - _LEFT - _RIGHT) / max(1, len(groups))
    wide = min(44.0, room * 0.84 / max(1, len(peers)))
    for number, (label, group) in enumerate(groups.items()):
        middle = _LEFT + room * (number + 0.5)
        first = middle - wide * len(peers) / 2
        for position, peer in enumerate(peers):
            value = group.get(peer)
            if value is None:
                continue
            never = math.isinf(value)
            top = scale.end if never else min(floor - 1.5, scale.at(value))
            canvas.add("rect", x=first + position * wide + 1.5, y=top, width=wide - 3, height=floor - top, fill=COLOURS.get(peer, _OTHER),
                       **({"fill_opacity": "0.25"} if never else {}))
            canvas.text(first + (position + 0.5) * wide, top - 4, short(value), size=10, anchor="middle")
        if label in bounds:
            canvas.line(middle - room * 0.45, scale.at(bounds[label]), middle + room * 0.45, scale.at(bounds[label]), "#e03131", 1.5, "5 3")
        canvas.text(middle, floor + 18, label, size=12, anchor="middle")
    canvas.line(_LEFT, floor, _WIDTH - _RIGHT, floor, _INK)
    if bounds:
        canvas.text(_WIDTH - _RIGHT, floor + 40, "dashed: the goal", size=10, anchor="end", colour="#e03131")
    return canvas.done()


def _y_axis(canvas, scale, unit):
    for tick in scale.ticks():
        canvas.line(_LEFT, scale.at(tick), _WIDTH - _RIGHT, scale.at(tick))
        canvas.text(_LEFT - 8, scale.at(tick) + 4, short(tick), size=10, anchor="end")
    canvas.text(16, (_TOP + _HEIGHT - _BOTTOM) / 2, unit, anchor="middle", turned=True)


def curves(title, subtitle, x_unit, y_unit, series, log_x=False, nines=False, dashed=()):
    """`series`: {name: [(x, y), ...]}. A name "PEER NOTE" has the colour of the peer; those in `dashed` are drawn so
    and not in the legend. `nines`: y is a share
    in percent, its axis stretched towards 100.
    """
    canvas = _Canvas(title, subtitle)
    floor, points = _HEIGHT - _BOTTOM, [point for one in series.values() for point in one]
    across = _Scale([x for x, _ in points], _LEFT, _WIDTH - _RIGHT, log_x)
    up = _Nines(floor, _TOP + 14) if nines else _Scale([y for _, y in points], floor, _TOP + 14, False)
    for tick in across.ticks():
        canvas.line(across.at(tick), up.end, across.at(tick), floor)
        canvas.text(across.at(tick), floor + 16, short(tick), size=10, anchor="middle")
    _y_axis(canvas, up, y_unit)
    at = _LEFT
    for name, one in series.items():
        colour, dashes = COLOURS.get(name.split()[0], _OTHER), "5 4" if name in dashed else None
        drawn = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in one if math.isfinite(x))
        canvas.add("polyline", points=drawn, fill="none", stroke=colour, stroke_width=2, **({"stroke_dasharray": dashes} if dashes else {}))
        if not dashes:  # what the dashed ones are is said in the subtitle
            canvas.line(at, 62, at + 18, 62, colour, 2)
            canvas.text(at + 23, 66, name)
            at += 38 + 6.6 * len(name)
    canvas.line(_LEFT, floor, _WIDTH - _RIGHT, floor, _INK)
    canvas.text((_LEFT + _WIDTH - _RIGHT) / 2, floor + 40, x_unit, anchor="middle")
    return canvas.done()
