/** The page's clock. A demonstration may put it forward, as on a laptop that was asleep. */

const now = Date.now.bind(Date);

/** Does `work` as if `ms` had passed. @template T @param {number} ms @param {() => Promise<T>} work @returns {Promise<T>} */
export async function asIfLater(ms, work) {
  Date.now = () => now() + ms;
  return work().finally(() => (Date.now = now));
}
