// Which entries an endpoint is sent: of its types, through its filter, and only what its owner may read.

import type { Chain } from '../../kernel/gate/types.ts'
import { mayRead } from '../../kernel/log/audience.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import type { Expression } from '../../kit/cesql/cesql.ts'
import { attributesOf, isCarrier, isMessage, meshEventOf } from '../mesh/contract.ts'

export function wantedBy(chain: Chain, filter: Expression | undefined): (entry: Entry) => boolean {
  return (entry) =>
    !isMessage(entry) &&
    mayRead(chain, entry) &&
    (filter === undefined || filter.matches(attributesOf(meshEventOf(entry)) as never))
}

/**
 * Private values leave only where somebody meant them to: in events that were published for others, and to whom
 * they may be opened. Those of other entries (an endpoint's own secret is one) stay references.
 */
export const isOpenable = (entry: Entry): boolean => isCarrier(entry)
