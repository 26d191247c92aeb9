/** The page's clock, which a demonstration may put forward: what a laptop sees that has slept. */

const now = Date.now.bind(Date);

/** Does something as if `ms` had passed. @template T @param {number} ms @param {() => Promise<T>} work @returns {Promise<T>} */
export async function asIfLater(ms, work) {
  Date.now = () => now() + ms;
  return work().finally(() => (Date.now = now));
}
