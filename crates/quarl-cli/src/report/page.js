'use strict';
// Tables: a click on a column's name sorts by it; another click reverses the order. Empty cells come last.
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector('button').addEventListener('click', () => {
    const numeric = head.classList.contains('number');
    const ascending = head.getAttribute('aria-sort') === 'none' ? !numeric : head.getAttribute('aria-sort') === 'descending';
    heads.forEach((other) => other.setAttribute('aria-sort', 'none'));
    head.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
    const key = (row) => numeric ? row.cells[column].dataset.value : row.cells[column].textContent;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      const order = numeric ? x - y : x.localeCompare(y, 'en', { numeric: true });
      return ascending ? order : -order;
    });
    table.tBodies[0].append(...rows);
  }));
}

// Figures: the values at the pointer, or at a cursor that the arrow keys move.
const tooltip = document.getElementById('tooltip');
const number = (value) => {
  const size = Math.abs(value);
  const text = size >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(4)));
  return text.replace('-', '\u2212');
};
for (const chart of document.querySelectorAll('figure.chart:not(.drawing)')) {
  const svg = chart.querySelector('svg');
  const { panels, width } = JSON.parse(chart.querySelector('script').textContent);
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'line');
  line.setAttribute('class', 'cursor');
  line.setAttribute('visibility', 'hidden');
  svg.append(line);
  let focus = null; // the panel and the position of the keyboard's cursor

  const hide = () => { tooltip.hidden = true; line.setAttribute('visibility', 'hidden'); };
  const place = (panel, x) => panel.frame[0] + (panel.frame[2] - panel.frame[0]) * (x - panel.x[0]) / (panel.x[1] - panel.x[0]);
  const nearest = (points, x) => points.reduce((best, point) => Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best);
  const steps = (panel) => panel.categories ? panel.categories.map((_, i) => i)
    : [...new Set(panel.series.flatMap((series) => series.points.map((point) => point[0])))].sort((a, b) => a - b);

  const show = (panel, at, clientX, clientY) => {
    const [left, top, right, bottom] = panel.frame;
    const rows = [];
    let heading;
    if (panel.categories) {
      heading = panel.categories[at];
      const y = top + (bottom - top) * (at + 0.6) / panel.categories.length;
      line.setAttribute('x1', left); line.setAttribute('x2', right);
      line.setAttribute('y1', y); line.setAttribute('y2', y);
      for (const series of panel.series) {
        const point = series.points.find((point) => point[1] === at);
        if (point) rows.push([series, number(point[0]), point.slice(2)]);
      }
    } else {
      const x = nearest(steps(panel).map((step) => [step]), at)[0];
      heading = `${panel.x_label} ${number(x)}`;
      const position = place(panel, x);
      line.setAttribute('x1', position); line.setAttribute('x2', position);
      line.setAttribute('y1', top); line.setAttribute('y2', bottom);
      for (const series of panel.series) {
        if (!series.points.length || x < series.points[0][0] || x > series.points.at(-1)[0]) continue;
        const point = nearest(series.points, x);
        rows.push([series, number(point[1]), point.slice(2)]);
      }
      rows.sort((a, b) => b[0].points.length && nearest(b[0].points, x)[1] - nearest(a[0].points, x)[1]);
    }
    line.setAttribute('visibility', 'visible');
    tooltip.replaceChildren();
    const head = document.createElement('b');
    head.textContent = heading;
    tooltip.append(head);
    for (const [series, value, interval] of rows.slice(0, 24)) {
      const row = document.createElement('span');
      const dot = document.createElement('i');
      dot.style.background = series.color;
      const range = interval.length ? ` (${number(interval[0])} to ${number(interval[1])})` : '';
      row.append(dot, `${series.name ? series.name + ': ' : ''}${value}${range}`);
      tooltip.append(row);
    }
    tooltip.hidden = false;
    const box = tooltip.getBoundingClientRect();
    const x = clientX + 16 + box.width < innerWidth ? clientX + 16 : Math.max(4, clientX - 16 - box.width);
    const y = Math.min(Math.max(4, clientY - box.height / 2), Math.max(4, innerHeight - box.height - 4));
    tooltip.style.left = `${x}px`;
    tooltip.style.top = `${y}px`;
  };

  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    const scale = width / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const panel = panels.find(({ frame }) => x >= frame[0] && x <= frame[2] && y >= frame[1] && y <= frame[3]);
    if (!panel || !panel.series.some((series) => series.points.length)) return hide();
    const share = (x - panel.frame[0]) / (panel.frame[2] - panel.frame[0]);
    const row = panel.categories && Math.floor((y - panel.frame[1]) / (panel.frame[3] - panel.frame[1]) * panel.categories.length);
    const at = panel.categories ? Math.min(Math.max(row, 0), panel.categories.length - 1) : panel.x[0] + share * (panel.x[1] - panel.x[0]);
    show(panel, at, event.clientX, event.clientY);
  });
  svg.addEventListener('pointerleave', hide);
  chart.addEventListener('blur', hide);
  chart.addEventListener('keydown', (event) => {
    const keys = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
    if (event.key === 'Escape') { focus = null; return hide(); }
    if (!(event.key in keys)) return;
    event.preventDefault();
    // All positions of all panels, one after the other.
    const positions = panels.flatMap((panel) => steps(panel).map((at) => [panel, at]));
    if (!positions.length) return;
    // Large figures are crossed in about fifty steps; with Shift, every position is read.
    const stride = event.shiftKey || panels[0].categories ? 1 : Math.max(1, Math.round(positions.length / 50));
    focus = focus === null ? 0 : Math.min(Math.max(focus + stride * keys[event.key], 0), positions.length - 1);
    const [panel, at] = positions[focus];
    const box = svg.getBoundingClientRect();
    const scale = box.width / width;
    const x = panel.categories ? panel.frame[2] - 40 : place(panel, at);
    const y = panel.categories ? panel.frame[1] + (panel.frame[3] - panel.frame[1]) * (at + 0.6) / panel.categories.length : (panel.frame[1] + panel.frame[3]) / 2;
    show(panel, at, box.left + x * scale, box.top + y * scale);
  });
}
