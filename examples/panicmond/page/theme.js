// theme.js: light, dark or as the system has it. Runs before anything is drawn.
"use strict";
(() => {
  const themes = ["auto", "light", "dark"];
  const signs = { auto: "◐", light: "☀", dark: "☾" };
  let theme = "auto";
  try {
    theme = localStorage.getItem("theme") || theme;
  } catch { /* storage is switched off: it holds for this visit */ }

  function apply() {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) {
      button.textContent = signs[theme];
      button.title = `Theme: ${theme}`;
      button.setAttribute("aria-label", `Theme: ${theme}. Change it`);
    }
  }

  apply();
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      try {
        localStorage.setItem("theme", theme);
      } catch { /* as above */ }
      apply();
    });
  });
})();
