// Tabs: arrows move, as in every tab list.

// Makes tabs of the panels in a box and puts their list into `list`. `chosen` is the id of the first; `onChoose` hears each.
// Gives a function that chooses one by its id.
export function tabs({ box, list, label, chosen, onChoose = () => {} }) {
  const panels = [...box.children].filter((child) => child.matches(".panel"));
  list.className = "tablist";
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", label);
  const buttons = new Map();
  const choose = (panel, focus) => {
    for (const other of panels) {
      other.hidden = other !== panel;
      buttons.get(other).setAttribute("aria-selected", String(other === panel));
      buttons.get(other).tabIndex = other === panel ? 0 : -1;
    }
    if (focus) buttons.get(panel).focus();
    onChoose(panel.id);
  };
  panels.forEach((panel, index) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", id: `tab-${panel.id}`, textContent: panel.dataset.tab });
    button.setAttribute("role", "tab");
    button.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", button.id);
    panel.querySelector("h2, h3").classList.add("hidden");
    button.addEventListener("click", () => choose(panel));
    button.addEventListener("keydown", (press) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[press.key];
      const to = step ? index + step : { Home: 0, End: -1 }[press.key];
      if (to === undefined) return;
      press.preventDefault();
      choose(panels.at(to % panels.length), true);
    });
    buttons.set(panel, button);
    list.append(button);
  });
  choose(panels.find((panel) => panel.id === chosen) ?? panels[0]);
  return (id) => choose(panels.find((panel) => panel.id === id) ?? panels[0]);
}
