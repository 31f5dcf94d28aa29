// A roll-out in the form in which entries and answers have it.

import type { Rollout } from '../gate/types.ts'
import type { Static } from '../schema/schema.ts'
import type { RolloutForm } from './facts.ts'

/** The same, with lists of its own. */
export const formOf = ({ mode, actions, policies, share }: Rollout): Static<typeof RolloutForm> => ({
  mode,
  ...(actions === undefined ? {} : { actions: actions.map((each) => ({ ...each })) }),
  ...(policies === undefined ? {} : { policies: { ...policies } }),
  ...(share === undefined ? {} : { share: { ...share } }),
})
