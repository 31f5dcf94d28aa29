// What is recorded about the law, in words: decisions and outcomes, rules, budgets, halts and trust.

import { count, type Json, list, record } from './json.ts'
import { counted } from './numbers.ts'
import type { Pen, Tellers, Text } from './pen.ts'
import { plain, type Told } from './told.ts'

export function gateWords(pen: Pen): Tellers {
  const { text, sentenceOf } = pen
  return {
    'action.decided@1': (data) => tellDecision(data, pen),
    'action.finished@1': (data) => tellOutcome(data, pen),
    'outside.cost-reported@1': ({ decision, cost }) =>
      plain(`reported that ${text(decision)} cost ${text(cost)}`),
    'gate.bundle-activated@1': (data) => tellRules(data, pen),
    'gate.rollout-changed@1': ({ before, after, reason }) => ({
      what: `changed how far the rules bind: ${rolloutText(before, text)} -> ${rolloutText(after, text)}`,
      tone: 'wait',
      ...sentenceOf(reason),
    }),
    'gate.rules-reset@1': ({ user, reason }) => ({
      what: `had ${text(user)} start over with the starter rules`,
      tone: 'bad',
      verdict: 'rescue',
      ...sentenceOf(reason),
    }),
    'budget.set@1': ({ id, who, measure, limit, window }) =>
      plain(
        `set the budget ${text(id)} of ${text(who)}: ${text(measure)} ${text(limit)} per ${text(window)}`,
      ),
    'budget.removed@1': ({ id }) => plain(`removed the budget ${text(id)}`),
    'halt.placed@1': ({ principal, how, reason }) => ({
      what: `stopped ${text(principal)}`,
      tone: 'bad',
      verdict: text(how),
      ...sentenceOf(reason),
    }),
    'halt.released@1': ({ principal, reason }) => ({
      what: `let ${text(principal)} act again`,
      tone: 'good',
      ...sentenceOf(reason),
    }),
    'trust.reported@1': ({ principal, family, verdict }) =>
      plain(`reported ${text(verdict)} conduct of ${text(principal)} in ${text(family)}`),
    'trust.alerted@1': ({ principal, family, severity, fact }) => ({
      what: `noticed something that speaks against ${text(principal)} in ${text(family)} (${text(fact)})`,
      tone: 'bad',
      verdict: text(severity),
    }),
    'trust.overridden@1': ({ principal, family, trust, until, reason }) => ({
      what: `set the trust in ${text(principal)} for ${text(family)} to ${text(trust)} thousandths until ${text(until)}`,
      tone: 'wait',
      ...sentenceOf(reason),
    }),
    'trust.override-lifted@1': ({ principal, family }) =>
      plain(`lifted the override of trust in ${text(principal)} for ${text(family)}`),
  }
}

/** An effect that this release does not know is no allowance. */
function tellDecision(data: Json, { text, bare, sentenceOf }: Pen): Told {
  const { action, resource, effect, sentence, solo } = data
  const times = count(data.count)
  const what = `asked for ${bare(action)} on ${text(resource)}${times > 1 ? ` ${times} times` : ''}`
  switch (effect) {
    case 'allow':
      return { what, tone: 'good', verdict: solo === true ? 'allowed, solo' : 'allowed' }
    case 'suspended':
      return { what, tone: 'wait', verdict: 'suspended', ...sentenceOf(sentence) }
    default:
      return { what, tone: 'bad', verdict: 'denied', ...sentenceOf(sentence) }
  }
}

function tellOutcome({ action, status, code, message }: Json, { text, bare }: Pen): Told {
  const what = `finished ${bare(action)}`
  if (status === 'done') return { what, tone: 'good', verdict: 'done' }
  const why = [text(message), text(code) && `(${text(code)})`].filter((part) => part !== '').join(' ')
  return { what, tone: 'bad', verdict: text(status) || 'failed', ...(why === '' ? {} : { sentence: why }) }
}

function tellRules({ policies, policyCount, mode, cause, reason }: Json, { text, sentenceOf }: Pen): Told {
  const number = policyCount === undefined ? list(policies).length : count(policyCount)
  const rules = `${counted(number, 'rule')} in force (${text(mode)})`
  if (cause !== 'rolled-back') return plain(`put ${rules}`)
  return {
    what: `took the rules back: ${rules} again`,
    tone: 'bad',
    verdict: 'rolled back',
    ...sentenceOf(reason),
  }
}

/** The mode, and what else is said about some. */
function rolloutText(rollout: unknown, text: Text): string {
  const { mode, actions, policies, share } = record(rollout)
  const { percent } = record(share)
  return [
    text(mode),
    ...(Array.isArray(actions) ? [`${actions.length} of actions`] : []),
    ...(typeof policies === 'object' && policies !== null
      ? [`${Object.keys(policies).length} of policies`]
      : []),
    ...(percent === undefined ? [] : [`${text(percent)} percent`]),
  ].join(', ')
}
