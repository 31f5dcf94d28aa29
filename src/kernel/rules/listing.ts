// The policies in force for whoever asks: a page of them in the order of their ids.

import { PAGE_SIZE } from '../catalog/definition.ts'
import type { Gate } from '../gate/gate.ts'
import type { Policy } from '../gate/policies.ts'
import type { Static, Type } from '../schema/schema.ts'
import type { rules } from './actions.ts'

type Answer = Static<(typeof rules)['output']>

export function rulesPage(
  { bundle, source }: Pick<Gate, 'bundle' | 'source'>,
  { policy, withText = false, after, limit = PAGE_SIZE }: Static<Type.TObject<(typeof rules)['input']>>,
): Omit<Answer, 'source'> {
  const found = [...bundle.policies.values()].filter(
    ({ id }) => (policy === undefined || id === policy) && (after === undefined || id > after),
  )
  const shown = found.slice(0, limit)
  const last = shown.at(-1)
  return {
    bundle: bundle.digest,
    items: shown.map((each) => itemOf(each, source.policies.get(each.id), withText)),
    ...(found.length > limit && last !== undefined ? { after: last.id } : {}),
  }
}

function itemOf(inForce: Policy, declared: Policy | undefined, withText: boolean): Answer['items'][number] {
  const { id, state, effect, risk, obligation, inviolable, description, place, text } = inForce
  const { file, line, column } = place
  return {
    id,
    state,
    ...(declared === undefined || declared.state === state ? {} : { declaredState: declared.state }),
    effect,
    ...(risk === undefined ? {} : { risk }),
    ...(obligation === undefined ? {} : { obligation }),
    isInviolable: inviolable,
    ...(description === undefined ? {} : { description }),
    file,
    line,
    column,
    ...(withText ? { text } : {}),
  }
}
