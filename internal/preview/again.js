// Part of the preview page's document, so that it comes with it. A browser may lose a file of
// the page: Chromium drops the requests that wait for a connection when the machine has a
// network more or less, as it has when a workspace starts or stops. The page is loaded again.
(() => {
  const MOST = 5; // loads in a row: what never comes is not asked for for ever
  const PAUSE = 500; // ms
  const tries = Number(sessionStorage.getItem("tries"));
  let lost = false;
  addEventListener("error", (e) => {
    if (lost || !(e.target instanceof Element)) return;
    lost = true;
    if (tries >= MOST) return;
    sessionStorage.setItem("tries", tries + 1);
    setTimeout(() => location.reload(), PAUSE << tries);
  }, true);
  addEventListener("load", () => lost || sessionStorage.removeItem("tries"));
})();
