// The configuration's line numbers, and the way from a problem to its place.

const $ = (id) => document.getElementById(id);
const config = $("config");

// Numbers the lines, and marks those that are wrong.
export function number(wrong = new Set()) {
  const count = Math.max(config.value.split("\n").length, config.rows);
  $("gutter").replaceChildren(
    ...Array.from({ length: count }, (_, index) => {
      const line = document.createElement("span");
      line.textContent = `${index + 1}\n`;
      line.classList.toggle("wrong", wrong.has(index + 1));
      return line;
    }),
  );
  $("gutter").scrollTop = config.scrollTop;
}

config.addEventListener("scroll", () => ($("gutter").scrollTop = config.scrollTop));

$("problems").addEventListener("click", (click) => {
  const link = click.target.closest("a[data-line]");
  if (!link) return;
  click.preventDefault();
  const lines = config.value.split("\n");
  const before = lines.slice(0, link.dataset.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
  const place = before + [...(lines[link.dataset.line - 1] ?? "")].slice(0, link.dataset.column - 1).join("").length;
  config.focus();
  config.setSelectionRange(place, before + (lines[link.dataset.line - 1]?.length ?? 0));
  config.scrollTop = (link.dataset.line - 4) * parseFloat(getComputedStyle(config).lineHeight);
});
