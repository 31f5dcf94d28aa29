// Who asks for something, and with what.

import type { Chain } from '../gate/types.ts'

/** Who asks: the chain, and the actions that its token covers (absent: all). */
export interface Caller {
  readonly chain: Chain
  /** Id of the token that it all rests on: what came of it ends with it. Absent for the hub's own embedder. */
  readonly token?: string
  readonly scopes?: readonly string[]
}

/** The caller alone, out of a context, a session or a run. */
export const callerOf = ({ chain, scopes, token }: Caller): Caller => ({
  chain,
  ...(scopes === undefined ? {} : { scopes }),
  ...(token === undefined ? {} : { token }),
})
