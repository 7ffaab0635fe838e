/** What every screen is made of: templates, hooks, and values that components follow. */

import { useEffect, useState } from './vendor/hooks.mjs';
import htm from './vendor/htm.mjs';
import { h } from './vendor/preact.mjs';

export { useEffect, useLayoutEffect, useMemo, useRef, useState } from './vendor/hooks.mjs';

/** @typedef {import('./vendor/preact.mjs').ComponentChildren} Children */

/** A template of elements. Texts in it are escaped. */
export const html = htm.bind(h);

/**
 * A value that components follow.
 * @template T
 */
export class Followed {
  /** @param {T} value */
  constructor(value) {
    this.value = value;
    /** @type {Set<(value: T) => void>} */
    this.followers = new Set();
  }

  /** @param {T} value */
  set(value) {
    this.value = value;
    for (const follower of this.followers) follower(value);
  }

  /**
   * Follows it as long as the component is there.
   * @returns {T}
   */
  use() {
    const [, show] = useState(/** @type {{ value: T }} */ ({ value: this.value }));
    useEffect(() => {
      /** @param {T} value */
      const follower = (value) => show({ value });
      this.followers.add(follower);
      // It may have changed between drawing and following.
      follower(this.value);
      return () => {
        this.followers.delete(follower);
      };
    }, []);
    return this.value;
  }
}

/** The present time, milliseconds. It moves on each second while somebody follows it and the page is seen. */
export const now = new Followed(Date.now());
setInterval(() => {
  if (now.followers.size > 0 && !document.hidden) now.set(Date.now());
}, 1000);

/**
 * Loads something, and again when one of `inputs` changes. What was loaded before stays until the new is there.
 * @template T
 * @param {() => Promise<T>} load
 * @param {unknown[]} inputs
 * @returns {{ data?: T, error?: unknown, again: () => void }}
 */
export function useLoaded(load, inputs) {
  const [result, setResult] = useState(/** @type {{ data?: T, error?: unknown }} */ ({}));
  const [round, setRound] = useState(0);
  useEffect(() => {
    let current = true;
    load().then(
      (data) => current && setResult({ data }),
      (error) => current && setResult((before) => ({ data: before.data, error })),
    );
    return () => {
      current = false;
    };
  }, [...inputs, round]);
  return { ...result, again: () => setRound((round) => round + 1) };
}
