// Moments in the viewer's own time zone, in Slack's words.

export function localise(root) {
  for (const time of root.querySelectorAll("time[data-format]:not([data-done])")) {
    const date = new Date(time.dateTime);
    if (isNaN(date)) continue;
    time.title = time.textContent;
    time.textContent = time.dataset.format.replace(/\{(\w+)\}/g, (whole, token) => word(token, date) ?? whole);
    time.dataset.done = "";
  }
}

function word(token, date) {
  const say = (options) => date.toLocaleString("en-US", options);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86_400_000);
  const near = { "-1": "Tomorrow", 0: "Today", 1: "Yesterday" }[days];
  const long = () => say({ weekday: "long", month: "long", day: "numeric", year: "numeric" });
  const plain = () => say({ month: "long", day: "numeric", year: "numeric" });
  const short = () => say({ month: "short", day: "numeric", year: "numeric" });
  switch (token) {
    case "date_num": return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;
    case "date": return plain();
    case "date_short": return short();
    case "date_long": return long();
    case "date_pretty": return near ?? plain();
    case "date_short_pretty": return near ?? short();
    case "date_long_pretty": return near ?? long();
    case "time": return say({ hour: "numeric", minute: "2-digit" });
    case "time_secs": return say({ hour: "numeric", minute: "2-digit", second: "2-digit" });
    case "weekday": return say({ weekday: "short" });
    case "zone": return say({ timeZoneName: "short" }).split(" ").pop();
  }
}
