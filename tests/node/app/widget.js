// The documented parts of the web widget: `zE` queues its calls until the widget is loaded.
globalThis.widget = (() => {
  const queue = [];
  const held = [];
  const widget = { who: "stranger", handed: [], calls: [], renewed: 0, refuses: () => false, holds: () => false };
  const run = (call, jwtCallback, loginCallback) => {
    if (call === "logoutUser" && widget.failsToLogOut) throw new Error("no network");
    if (call === "logoutUser") return void (widget.who = "stranger");
    widget.want = () => new Promise((hand) => jwtCallback(hand));
    jwtCallback(async (token) => {
      const claims = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
      widget.handed.push(claims.external_id);
      const count = widget.handed.length;
      if (widget.holds(claims)) await new Promise((resolve) => held.push(resolve));
      const isRefused = widget.refuses(claims, count);
      widget.who = isRefused ? "stranger" : claims.external_id;
      loginCallback(isRefused ? { type: "LoginFailedError", reason: "…", message: "…" } : null);
    });
  };
  globalThis.zE = (area, call, ...callbacks) => {
    widget.calls.push(call);
    if (widget.isLoaded) run(call, ...callbacks);
    else queue.push([call, ...callbacks]);
  };
  widget.load = () => {
    widget.isLoaded = true;
    for (const call of queue.splice(0)) run(...call);
  };
  widget.letGo = () => {
    widget.holds = () => false;
    for (const go of held.splice(0)) go();
  };
  return widget;
})();
