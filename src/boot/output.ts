// What a stage hands to those that require it.

import { PolityError } from '../kernel/errors.ts'

export interface Output<T> {
  set(value: T): void
  /** Throws `internal` before the stage has started: whoever reads it forgot to require it. */
  get(): T
  /** Undefined before. */
  peek(): T | undefined
}

export function output<T>(stage: string): Output<T> {
  let set: { readonly value: T } | undefined
  return {
    set: (value) => {
      set = { value }
    },
    peek: () => set?.value,
    get: () => {
      if (set === undefined) throw new PolityError('internal', `${stage} has not started yet`, { stage })
      return set.value
    },
  }
}
