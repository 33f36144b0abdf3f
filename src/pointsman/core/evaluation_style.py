"""How the page of an evaluation looks: light and dark are equals, and a phone is wide enough."""

from typing import Final

STYLE: Final = """
:root { --paper: #fff; --raised: #f6f7f8; --ink: #1c2024; --quiet: #5c6570; --line: #d9dde1;
  --good: #18794e; --bad: #c62a2f; --open: #8a5a00; --gone: #ffdedb; --new: #d3f3df; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15181b; --raised: #1d2125; --ink: #e8eaed; --quiet: #a0a8b0; --line: #343a40;
    --good: #5bd09a; --bad: #ff8f8a; --open: #f0b850; --gone: #5a2426; --new: #184a32; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .3rem 0 .6rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
h3, h4 { font-size: 1rem; margin: 0 0 .2rem; }
h4 { font-size: .875rem; color: var(--quiet); font-weight: 600; }
p { margin: 0 0 .5rem; max-width: 70ch; }
.lead { font-size: 1.1rem; }
.quiet, .scores, dt { color: var(--quiet); font-size: .875rem; }
.state { display: inline-block; font-weight: 600; white-space: nowrap; margin-right: .5rem; }
.state b { display: inline-block; min-width: 1.2em; }
.passed, .better { color: var(--good); }
.failed, .worse { color: var(--bad); }
.inconclusive, .queued, .running { color: var(--open); }
.cancelled, .superseded { color: var(--quiet); }
dl { display: flex; flex-wrap: wrap; gap: .6rem 2rem; margin: 1rem 0 0; }
dd { margin: 0; }
dl.given { flex-direction: column; gap: .5rem; margin: .8rem 0; }
.criteria { list-style: none; margin: 0; padding: 0; }
.criteria li { display: grid; grid-template-columns: 9rem 1fr; gap: .5rem; padding: .8rem 0;
  border-top: 1px solid var(--line); }
.criteria p { margin: 0; }
.criteria li > div { min-width: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; vertical-align: baseline; padding: .35rem 0 .35rem 1.6rem;
  border-top: 1px solid var(--line); white-space: nowrap; }
thead th { border-top: 0; color: var(--quiet); font-size: .875rem; font-weight: 600; }
tr > :first-child { text-align: left; white-space: normal; font-weight: 500; padding-left: 0;
  min-width: 8rem; max-width: 26rem; }
details { margin: .4rem 0; }
summary { cursor: pointer; padding: .3rem 0; }
summary:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
.case { border-top: 1px solid var(--line); margin: 0; padding: .3rem 0; }
.case > summary { font-weight: 600; }
.case > summary .quiet { font-weight: 400; margin-left: .5rem; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr));
  gap: 1rem; margin: .8rem 0 1rem; }
.sides > div { min-width: 0; }
pre { margin: 0 0 .4rem; padding: .7rem .8rem; background: var(--raised); border-radius: .4rem;
  font: .875rem/1.5 ui-monospace, monospace; white-space: pre-wrap; max-height: 32rem;
  overflow: auto; }
del, ins { text-decoration: none; border-radius: .2rem; padding: 0 .1em; color: inherit; }
del { background: var(--gone); text-decoration: line-through; }
ins { background: var(--new); text-decoration: underline; }
@media (max-width: 48rem) {
  .criteria li { grid-template-columns: 1fr; gap: .2rem; }
  thead { display: none; }
  table, tbody, tr { display: block; }
  tr { border-top: 1px solid var(--line); padding: .5rem 0; }
  tr > :first-child { max-width: none; }
  th, td { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .1rem 0;
    white-space: normal; }
  td::before { content: attr(data-label); color: var(--quiet); text-align: left; }
}
@media print { details:not([open]) { display: none; } pre { max-height: none; } }
"""
