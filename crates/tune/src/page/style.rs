//! Colours and sizes, for light and for dark.

/// The colours of the strategies can be told apart by the colour-blind, and on either ground.
pub(super) const SHEET: &str = r"
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1b1f24; --faint: #656d76;
  --line: #d5dae0; --panel: #f3f5f7; --work: #5b7fa6; --sleep: #c8dcae; --beat: #1b1f24;
  --recorded: #7a828c; --fixed: #c97a00; --adaptive: #0072b2; --combined: #008a63; --deadline: #b4508f; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181d; --ink: #e6e9ec; --faint: #98a2ac;
  --line: #353c44; --panel: #1d232a; --work: #4a78ab; --sleep: #45603a; --beat: #f0f2f4;
  --recorded: #8f99a3; --fixed: #e69f00; --adaptive: #56b4e9; --combined: #2fc796; --deadline: #e08cc0; } }
* { box-sizing: border-box }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; background: var(--ground);
  color: var(--ink); font: 15px/1.5 system-ui, 'DejaVu Sans', sans-serif }
h1 { font-size: 1.5rem; margin: 0 0 1rem; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; margin: 0 0 .4rem }
section { margin: 2rem 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0 }
dt { color: var(--faint) } dd { margin: 0; overflow-wrap: anywhere }
p { margin: .3rem 0 } p.small, figcaption { color: var(--faint); font-size: .85rem }
p.doubt { border-left: 3px solid var(--fixed); padding-left: .6rem }
.recommended { display: flex; flex-wrap: wrap; gap: 1rem 2rem; background: var(--panel);
  border-radius: 8px; padding: 1rem 1.2rem; align-items: start }
.recommended div { flex: 1 1 24rem }
pre { margin: 0; font: 13px/1.5 ui-monospace, 'DejaVu Sans Mono', monospace }
.wide { overflow-x: auto } .wide > * { min-width: 54rem }
@media (max-width: 56rem) { .wide::before { content: 'wider than the screen: scroll sideways \2192';
  position: sticky; left: 0; color: var(--faint); font-size: .8rem } }
table { border-collapse: collapse; font-size: .82rem; width: 100% }
th { text-align: left; font-weight: 600; color: var(--faint); vertical-align: bottom }
th, td { padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line) }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
tr.chosen td { font-weight: 600 } td.same { color: var(--faint) } td:first-child { white-space: nowrap }
.key { display: inline-block; width: .7em; height: .7em; border-radius: 2px; margin-right: .5em }
.key.recorded { background: var(--recorded) } .key.fixed { background: var(--fixed) } .key.adaptive { background: var(--adaptive) }
.key.combined { background: var(--combined) } .key.deadline { background: var(--deadline) }
.key.work { background: var(--work) } .key.sleep { background: var(--sleep) }
.key.beat { background: var(--beat); width: 2px; height: 1em; vertical-align: -2px }
figure { margin: 0 } figcaption span { margin-right: 1.2em; white-space: nowrap }
svg { width: 100%; height: auto; display: block; margin: .4rem 0 }
svg text { fill: var(--ink); font: 12px system-ui, 'DejaVu Sans', sans-serif }
svg text.faint { fill: var(--faint) } svg text.strong { font-weight: 600 }
svg text.label { paint-order: stroke; stroke: var(--ground); stroke-width: 4 }
svg .grid { stroke: var(--line); stroke-width: 1 } svg .axis { stroke: var(--faint) }
svg .wanted { stroke: var(--faint); stroke-dasharray: 3 3 }
svg .work { fill: var(--work) } svg .sleep { fill: var(--sleep) }
svg .beat { stroke: var(--beat); stroke-width: 1.5 }
svg .recorded { fill: var(--recorded) } svg .fixed { fill: var(--fixed) } svg .adaptive { fill: var(--adaptive) }
svg .combined { fill: var(--combined) } svg .deadline { fill: var(--deadline) }
svg .dot { fill-opacity: .6 }
svg .cross { stroke: var(--ink); stroke-width: 3 }
svg .ring { fill: none; stroke: var(--ink); stroke-width: 2 }
details summary { cursor: pointer; margin-bottom: .5rem }
";
