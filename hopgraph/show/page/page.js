// A click on a layer or a synapse shows its panel alone. Without this script every panel is shown.
(() => {
  const panels = [...document.querySelectorAll(".details > section")];
  const links = [...document.querySelectorAll("a[data-shows]")];
  const narrow = matchMedia("(max-width: 69rem)");

  function show(id, jump) {
    const chosen = panels.find((panel) => panel.id === id);
    if (!chosen) return false;
    for (const panel of panels) panel.hidden = panel !== chosen;
    for (const link of links) {
      if (link.dataset.shows === id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    chosen.parentElement.scrollTop = 0;
    if (jump && narrow.matches) chosen.scrollIntoView({ block: "start" });
    return true;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-shows]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(null, "", `#${link.dataset.shows}`);
    show(link.dataset.shows, true);
  });
  addEventListener("hashchange", () => show(location.hash.slice(1), true));
  addEventListener("beforeprint", () => {
    for (const panel of panels) panel.hidden = false;
    for (const folded of document.querySelectorAll("details")) folded.open = true;
  });

  document.documentElement.classList.add("js");
  if (!show(location.hash.slice(1), true) && panels.length) show(panels[0].id, false);
})();
