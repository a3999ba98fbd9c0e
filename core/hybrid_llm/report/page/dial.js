// Moves the point and the figures to a row of the table of levels, which holds every number that is shown.
(() => {
  const dial = document.getElementById("dial");
  const rows = document.querySelectorAll("#levels tbody tr");
  if (!dial || !rows.length) return;
  document.documentElement.classList.add("live");
  const move = (id, attributes) => {
    const shape = document.getElementById(id);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
  };
  const show = () => {
    const row = rows[rows.length - 1 - Number(dial.value)];
    const said = {};
    for (const cell of row.cells) {
      said[cell.dataset.is] = cell.textContent.trim();
      const place = document.getElementById(`now-${cell.dataset.is}`);
      if (place) place.textContent = said[cell.dataset.is];
    }
    const { x, y } = row.dataset;
    move("now", { cx: x, cy: y });
    move("guide", { x1: x, x2: x, y1: y });
    dial.setAttribute("aria-valuetext", `keep ${said.quality}: ${said.share} go to small`);
  };
  dial.addEventListener("input", show);
  show();
})();
