/** Theme and language of the last visit, set before anything is drawn. */
"use strict";

(() => {
  let theme = null;
  let language = null;
  try {
    theme = localStorage.getItem("sunhwan.theme");
    language = localStorage.getItem("sunhwan.language");
  } catch {
    // A browser that keeps nothing: what the system wishes.
  }
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  root.dataset.theme = theme === "light" || theme === "dark" ? theme : system;
  const korean = (navigator.language || "en").toLowerCase().startsWith("ko");
  root.lang = language === "ko" || language === "en" ? language : korean ? "ko" : "en";
})();
