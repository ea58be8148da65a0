"""The table: metric | pooler | pgbouncer | haproxy | ratio | target | met?"""

HEADS = ('metric', 'pooler', 'pgbouncer', 'haproxy', 'ratio', 'target',
         'met?')


def number(value):
    if value is None:
        return '-'
    if isinstance(value, str):
        return value
    if abs(value) >= 1000:
        return f'{value:,.0f}'
    return f'{value:.1f}' if abs(value) >= 100 else f'{value:.3g}'


class Report:
    def __init__(self, say):
        self.rows = []
        self.notes = []
        self.errors = 0
        self.say = say

    def title(self, text):
        self.rows.append((text,))
        self.say('# ' + text)

    def row(self, metric, values, ratio=None, target='', met=None,
            ratio_text=None):
        """values: {front: number}. met: True, False, or None for a figure
        without a target or not measured."""
        mark = '' if met is None else 'yes' if met else 'NO'
        if target and met is None:
            mark = '?'
        cells = (metric, *(number(values.get(n)) for n in HEADS[1:4]),
                 ratio_text or number(ratio) if ratio is not None else '',
                 target, mark)
        self.rows.append(cells)
        self.say('  '.join(c for c in cells if c))

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            self.say('note: ' + text)

    def error(self, section, what):
        self.errors += 1
        self.note(f'{section}: {what}')

    def text(self):
        full = [r for r in self.rows if len(r) > 1]
        width = [max(len(r[i]) for r in [HEADS, *full])
                 for i in range(len(HEADS))]

        def line(r):
            return ' | '.join(c.ljust(w) if i in (0, 5) else c.rjust(w)
                              for i, (c, w) in enumerate(zip(r, width)))

        out = [line(HEADS), '-+-'.join('-' * w for w in width)]
        for r in self.rows:
            out.append(line(r) if len(r) > 1 else f'-- {r[0]}')
        out += ['', *('note: ' + n for n in self.notes)]
        return '\n'.join(out)
