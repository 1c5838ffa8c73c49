// Shows the login where the page has lost its connection because nobody is logged in any more.
"use strict";

(() => {
  const LOOK_MS = 2000;

  async function look() {
    if (window.socket && !window.socket.connected) {
      // Whoever is logged in is sent on from there.
      const answer = await fetch("/login", { redirect: "manual", cache: "no-store" }).catch(() => null);
      if (answer && answer.ok) location.reload();
    }
    setTimeout(look, LOOK_MS);
  }

  look();
})();
