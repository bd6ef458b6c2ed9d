import { type Figure, figures, type NodeSample } from "./node-samples.ts";

const titles: Readonly<Record<Figure, string>> = {
  heldMb: "held after a collection, MB",
  nativeMb: "held by libraries, MB",
  residentMb: "resident, MB",
  descriptors: "open descriptors",
  processes: "processes",
};
const colors = ["#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed"];
const [WIDTH, PANEL, LEFT, TOP] = [720, 150, 56, 28];
const PLOT = { width: WIDTH - LEFT - 16, height: PANEL - TOP - 18 };

/** What each node held over time, one panel a figure, as an SVG. */
export function plotSamples(nodes: ReadonlyMap<string, readonly NodeSample[]>): string {
  const names = [...nodes.keys()];
  const lastS = Math.max(...[...nodes.values()].flatMap((samples) => samples.map(({ atS }) => atS)));
  const legend = names.map(
    (name, at) => `<text x="${LEFT + at * 110}" y="16" fill="${colors[at % colors.length]}">${name}</text>`,
  );
  const panels = figures.map((figure, at) => drawPanel(figure, nodes, lastS, TOP + at * PANEL));
  const height = TOP + figures.length * PANEL;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11">`,
    "<title>What each node held over time</title>",
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    ...legend,
    ...panels.flat(),
    "</svg>\n",
  ].join("\n");
}

function drawPanel(
  figure: Figure,
  nodes: ReadonlyMap<string, readonly NodeSample[]>,
  lastS: number,
  top: number,
): string[] {
  const most = Math.max(1, ...[...nodes.values()].flatMap((samples) => samples.map((sample) => sample[figure])));
  const bottom = top + 18 + PLOT.height;
  const x = (atS: number) => (LEFT + (atS / lastS) * PLOT.width).toFixed(1);
  const y = (value: number) => (bottom - (value / most) * PLOT.height).toFixed(1);
  const lines = [...nodes.values()].map((samples, at) => {
    const points = samples.map((sample) => `${x(sample.atS)},${y(sample[figure])}`).join(" ");
    return `<polyline points="${points}" fill="none" stroke="${colors[at % colors.length]}" stroke-width="1.5"/>`;
  });
  return [
    `<text x="${LEFT}" y="${top + 12}">${titles[figure]}</text>`,
    `<text x="${LEFT - 6}" y="${top + 26}" text-anchor="end">${most.toPrecision(3)}</text>`,
    `<text x="${LEFT - 6}" y="${bottom}" text-anchor="end">0</text>`,
    `<text x="${WIDTH - 16}" y="${bottom + 12}" text-anchor="end">${Math.round(lastS)} s</text>`,
    `<path d="M${LEFT} ${top + 18}V${bottom}H${WIDTH - 16}" fill="none" stroke="#999"/>`,
    ...lines,
  ];
}
