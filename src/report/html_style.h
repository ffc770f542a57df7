// The looks of report.html. Colours by what they mean, for light and dark; stages differ in
// lightness as well as in hue, for eyes that see fewer colours.
#pragma once

#include <string_view>

namespace trireme {

inline constexpr std::string_view kPageStyle = R"css(
:root {
  color-scheme: light dark;
  --ground: #f6f7f9; --card: #ffffff; --ink: #1b2230; --soft: #5b6577; --line: #dfe3ea;
  --accent: #2563a8; --good: #1d7f4f; --bad: #b3261e; --wait: #8a6100; --track: #e8ebf0;
  --load: #9aa4b2; --encode: #a25bb5; --denoise: #2f6fb7; --decode: #e39a2d; --write: #2a9d76;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161d; --card: #1b212b; --ink: #e6eaf1; --soft: #9aa6b8; --line: #2d3643;
    --accent: #6aa8ee; --good: #58c48d; --bad: #ff8a80; --wait: #e2b24a; --track: #2a323e;
    --load: #6d7889; --encode: #c48bd3; --denoise: #5b9be0; --decode: #eab256; --write: #4fc09a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 20px 16px 48px; }
header { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: center; margin-bottom: 14px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 0 0 10px; }
header p { flex-basis: 100%; margin: 0; color: var(--soft); overflow-wrap: anywhere; }
.pill { border-radius: 999px; padding: 2px 12px; font-weight: 600; font-size: 13px;
  border: 1px solid currentColor; }
.good { color: var(--good); } .bad { color: var(--bad); } .wait { color: var(--wait); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 16px; margin: 14px 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(128px, 1fr)); gap: 14px; }
.tiles dt { color: var(--soft); font-size: 13px; }
.tiles dd { margin: 0; font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums;
  line-height: 1.3; }
.tiles small { font-size: 13px; font-weight: 400; color: var(--soft); display: block; }
.bar { display: flex; height: 12px; border-radius: 6px; overflow: hidden; background: var(--track);
  margin-bottom: 16px; }
.bar i { display: block; min-width: 2px; }
.note { color: var(--soft); font-size: 13px; margin: 8px 0 0; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; color: var(--soft);
  margin: 0 0 10px; padding: 0; list-style: none; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; }
svg { display: block; width: 100%; }
.chart { height: 150px; border-bottom: 1px solid var(--line); }
.axis { display: flex; justify-content: space-between; color: var(--soft); font-size: 12px;
  font-variant-numeric: tabular-nums; padding-top: 4px; }
.lane { display: grid; grid-template-columns: 64px 1fr 46px; gap: 10px; align-items: center;
  font-size: 13px; font-variant-numeric: tabular-nums; margin: 3px 0; }
.lane svg { height: 20px; background: var(--track); border-radius: 4px; }
.lane b { font-weight: 400; color: var(--soft); text-align: right; }
.memory { display: grid; grid-template-columns: 64px 1fr 236px; gap: 10px;
  align-items: center; font-size: 13px; font-variant-numeric: tabular-nums; margin: 6px 0; }
.memory .track { position: relative; height: 16px; background: var(--track); border-radius: 4px; }
.memory .track i { position: absolute; inset: 0 auto 0 0; background: var(--accent);
  border-radius: 4px; }
.memory .track u { position: absolute; top: -3px; bottom: -3px; width: 2px; background: var(--ink); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 500; }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
.number { text-align: right; white-space: nowrap; }
.word { white-space: nowrap; }
.text { overflow-wrap: anywhere; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(132px, 1fr)); gap: 12px; }
figure { margin: 0; min-width: 0; }
figure img { width: 100%; height: auto; aspect-ratio: 1; object-fit: contain; background: var(--track);
  border-radius: 8px; display: block; }
figcaption { font-size: 12px; color: var(--soft); line-height: 1.35; margin-top: 5px;
  display: -webkit-box; -webkit-line-clamp: 3; -webkit-box-orient: vertical; overflow: hidden;
  overflow-wrap: anywhere; }
pre { overflow-x: auto; font-size: 12px; margin: 10px 0 0; white-space: pre-wrap;
  overflow-wrap: anywhere; }
summary { cursor: pointer; font-weight: 600; }
@media (max-width: 560px) {
  main { padding: 14px 10px 32px; }
  section { padding: 13px; }
  .memory { grid-template-columns: 64px 1fr; }
  .memory span:last-child { grid-column: 1 / 3; margin-top: -4px; color: var(--soft); }
  .sheet { grid-template-columns: repeat(auto-fill, minmax(100px, 1fr)); }
}
)css";

}  // namespace trireme
