/** Charts by Plotly, which is fetched when the first one is shown. */

import { palette } from "./colours.js";
import { element, find } from "./dom.js";
import { say } from "./messages.js";

// Plotly puts a style sheet for maps into the page, which the page forbids, unless this is there.
const MAPS = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53";

let fetched = null;

function plotly() {
  fetched ??= new Promise((done, failed) => {
    if (!find(MAPS)) document.head.append(element("meta", { id: MAPS }));
    const script = element("script", { src: "/plotly.js" });
    script.addEventListener("load", () => done(window.Plotly));
    script.addEventListener("error", () => {
      fetched = null;
      failed(new Error(say("pictureFailed")));
    });
    document.head.append(script);
  });
  return fetched;
}

/** Text that Plotly, which reads some markup, shows as it is. */
export const asIs = (text) =>
  String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

/** A colour of the page, written as Plotly reads it. */
export const rgba = (name, alpha = 1) => `rgba(${palette()[name].join(",")},${alpha})`;

const axis = (title) => ({
  title: { text: title, font: { size: 13 }, standoff: 8 },
  gridcolor: rgba("--line"),
  linecolor: rgba("--line"),
  zeroline: false,
  automargin: true,
});

/** Draw lines into the element: {x, y} its axes' titles and settings, the rest as Plotly's layout. */
export async function draw(id, traces, { x, y, ...layout }) {
  const Plotly = await plotly();
  const place = find(id);
  await Plotly.react(
    place,
    traces,
    {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: rgba("--soft"), family: getComputedStyle(document.body).fontFamily, size: 13 },
      hoverlabel: { font: { family: "inherit" } },
      margin: { l: 8, r: 8, t: 8, b: 8 },
      height: 340,
      showlegend: true,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, traceorder: "normal" },
      xaxis: { ...axis(x.title), ...x.more },
      yaxis: { ...axis(y.title), ...y.more },
      ...layout,
    },
    { displayModeBar: false, responsive: true },
  );
}
