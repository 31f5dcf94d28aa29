// For whoever asks: the policies in force, and the actions that they can speak about, in pages in the order of their names.

import { factTypes } from '../catalog/decide.ts'
import { type Definition, PAGE_SIZE } from '../catalog/definition.ts'
import type { Gate } from '../gate/gate.ts'
import type { Policy } from '../gate/policies.ts'
import type { Fact } from '../gate/types.ts'
import type { Static, Type } from '../schema/schema.ts'
import type { actions, rules } from './actions.ts'

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

/** In the order of names. */
export function actionsPage(
  definitions: readonly Definition[],
  { after, limit = PAGE_SIZE }: Static<typeof actions.schema>,
): Static<typeof actions.output> {
  const sorted = definitions
    .filter(({ name }) => after === undefined || name > after)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const items = sorted.slice(0, limit).map(({ conduct, ...definition }) => ({
    name: definition.name,
    ...(definition.risk === undefined ? {} : { risk: definition.risk }),
    facts: factTypes(definition),
    ...(conduct === undefined ? {} : { conduct: conductOf(conduct) }),
  }))
  const last = items.at(-1)
  return { items, ...(last !== undefined && sorted.length > limit ? { after: last.name } : {}) }
}

/** Lists of facts are never changed; answers may be. */
const conductOf = (conduct: Readonly<Record<string, Fact>>) =>
  Object.fromEntries(
    Object.entries(conduct).map(([word, fact]) => [word, typeof fact === 'object' ? [...fact] : fact]),
  )
