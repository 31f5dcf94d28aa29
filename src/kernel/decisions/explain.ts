// One decision on one screen: what was asked, which rules decided by which facts, and what would have changed it.

import type { Json } from '../../kit/canonical-json.ts'
import { counterfactuals } from '../gate/counterfactual.ts'
import type { Gate } from '../gate/gate.ts'
import { lookedAt, valueAt } from '../gate/looked-at.ts'
import type { Policy } from '../gate/policies.ts'
import type { Judges } from '../gate/reconsider.ts'
import type { Change, Counterfactual } from '../gate/trial.ts'
import type { Static } from '../schema/schema.ts'
import type { Explanation } from './contract.ts'
import type { HistoryPorts, PastDecision } from './history.ts'
import { openReplay, openStoredRules } from './replay.ts'

type Explained = Static<typeof Explanation>
type ExplainedRule = Explained['rules'][number]

const RULES_MAX = 32
const FACTS_MAX = 32
const CHANGES_MAX = 24
/** Texts that a sentence names. */
const NAMED_MAX = 5
const VALUE_MAX_CHARS = 120

/** Errors: what reading texts throws. Where the rules of then are not kept, it says what the log says. */
export async function explainDecision(
  past: PastDecision,
  ports: Pick<HistoryPorts, 'texts' | 'law'>,
  gate: Pick<Gate, 'source'> | undefined,
): Promise<Explained> {
  const { difference } = await openReplay(ports)(past)
  const judges = difference === undefined ? await openStoredRules(ports)(past.evidence.bundle) : undefined
  const { approvals = [] } = past.evidence.context
  return {
    ...headOf(past),
    approvals: { owed: [...past.obligations], given: [...(approvals as readonly string[])] },
    rules: judges === undefined ? [] : rulesOf(past, judges, gate),
    ...(judges === undefined ? { changes: [] } : changesOf(past, judges)),
    ...(difference === undefined
      ? {}
      : { remark: `judging it again does not agree: ${difference.what} (${difference.replayed})` }),
  }
}

function headOf(past: PastDecision): Omit<Explained, 'approvals' | 'rules' | 'changes'> {
  const { seq, id, time, actor, action, resource, risk, declaredRisk, effect, sentence, mode, modeBy } = past
  const { wouldEffect, solo, approval, run, count, errors, evidence } = past
  return {
    ...{ seq, decision: id, time, actor, action, resource, effect, sentence, mode, modeBy },
    ...{ risk, declaredRisk, raisedBy: [...past.raisedBy], shadow: [...past.shadow], solo, count },
    errors: [...errors],
    bundle: evidence.bundle,
    ...(wouldEffect === undefined ? {} : { wouldEffect }),
    ...(approval === undefined ? {} : { approval }),
    ...(run === undefined ? {} : { run }),
  }
}

function rulesOf(
  past: PastDecision,
  { rules }: Judges,
  gate: Pick<Gate, 'source'> | undefined,
): ExplainedRule[] {
  const parts = [
    ...past.reasons.map((id) => ({ id, part: 'decides' as const })),
    ...past.raisedBy.map((id) => ({ id, part: 'raises the risk' as const })),
    ...past.shadow.map((id) => ({ id, part: 'stands in the shadow' as const })),
  ]
  return parts.slice(0, RULES_MAX).flatMap(({ id, part }) => {
    const policy = rules.bundle.policies.get(id)
    if (policy === undefined) return []
    const { effect, text, description, obligation } = policy
    const place = placeOf(policy, gate)
    return [
      {
        ...{ id, part, effect, text, facts: factsOf(past, policy) },
        ...(description === undefined ? {} : { description }),
        ...(obligation === undefined ? {} : { obligation }),
        ...(place === undefined ? {} : { place }),
      },
    ]
  })
}

/** Where it stands, as long as it is in force as it was then. */
function placeOf({ id, text }: Policy, gate: Pick<Gate, 'source'> | undefined): string | undefined {
  const now = gate?.source.policies.get(id)
  if (now === undefined || now.text !== text) return undefined
  const { file, line, column } = now.place
  return `${file}:${line}:${column}`
}

function factsOf({ evidence, resource }: PastDecision, policy: Policy): ExplainedRule['facts'] {
  const { facts } = lookedAt(policy)
  // A record of which single members are looked at says nothing more than they do.
  const isWhole = (path: readonly string[]) =>
    !facts.some(
      (other) => other.path.length > path.length && path.every((name, at) => other.path[at] === name),
    )
  return facts
    .filter(({ path }) => isWhole(path))
    .slice(0, FACTS_MAX)
    .map(({ path }) => {
      const [variable, ...rest] = path
      const value =
        variable === 'context'
          ? plainOf(valueAt(evidence.context, rest))
          : variable === 'principal'
            ? evidence.requests.map(({ principal }) => principal.id)
            : resource
      return { fact: path.join('.'), ...(value === undefined ? {} : { value }) }
    })
}

/** A Cedar datetime as the text that it was made of. */
function plainOf(value: Json | undefined): Json | undefined {
  const call = (value as { readonly __extn?: { readonly arg?: string } } | undefined)?.__extn
  return call?.arg ?? value
}

function changesOf(past: PastDecision, judges: Judges): Pick<Explained, 'changes' | 'tried'> {
  const { declaredRisk, evidence } = past
  const { entitiesJson = '[]', context, requests } = evidence
  const question = { evidence: { entitiesJson, context, requests }, declaredRisk }
  const { found, tried } = counterfactuals(question, judges)
  // What would have let it pass is never left out for what would not.
  const inOrder = [...found].sort((a, b) => Number(b.effect === 'allow') - Number(a.effect === 'allow'))
  return { changes: inOrder.slice(0, CHANGES_MAX).map(changeOf), tried }
}

function changeOf(change: Counterfactual): Explained['changes'][number] {
  const { effect, kind } = change
  if (kind !== 'pair') return { kind, effect, what: wordsOf(change), ...machineForm(change) }
  const both = change.both.map((each) => ({ kind: each.kind, what: wordsOf(each), ...machineForm(each) }))
  return { kind, effect, what: both.map(({ what }) => what).join(', and '), both }
}

function wordsOf(change: Change): string {
  if (change.kind === 'approval') return `the approval ${change.approvals.join(' and ')}`
  if (change.kind === 'rule') return `no rule ${change.policy}`
  if (change.kind === 'role') return `the role ${change.role} for ${change.principal}`
  const { fact, before, after, direction } = change
  const than = before === undefined ? '' : ` instead of ${shown(before)}`
  if (after === undefined) return `${fact} not stated${than}`
  return `${fact} ${shown(after)}${direction === undefined ? '' : ` ${direction}`}${than}`
}

function shown(value: Json): string {
  if (!Array.isArray(value)) return String(value).slice(0, VALUE_MAX_CHARS)
  if (value.length === 0) return 'empty'
  return value.slice(0, NAMED_MAX).join(', ').slice(0, VALUE_MAX_CHARS)
}

type MachineForm = Omit<Explained['changes'][number], 'kind' | 'effect' | 'what' | 'both'>

function machineForm(change: Change): MachineForm {
  if (change.kind === 'approval') return { approvals: [...change.approvals] }
  if (change.kind === 'rule') return { policy: change.policy }
  if (change.kind === 'role') return { role: change.role, principal: change.principal }
  const { fact, before, after, direction } = change
  return {
    fact,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
    ...(direction === undefined ? {} : { direction }),
  }
}
