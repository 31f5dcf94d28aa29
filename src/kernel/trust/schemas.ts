// The forms that facts and questions about trust share.

import { Closed, Integer, Type } from '../schema/schema.ts'

const PRINCIPAL_MAX_CHARS = 160
const REASON_MAX_CHARS = 1000
const PRINCIPAL = /^(agent|component|service):[A-Za-z0-9][A-Za-z0-9._@-]*$/
export const Principal = Type.String({
  pattern: PRINCIPAL.source,
  maxLength: PRINCIPAL_MAX_CHARS,
  description: 'agent:NAME, component:NAME or service:NAME',
})
/** Whether it is one of those whose conduct is counted. */
export const isPrincipal = (text: string): boolean =>
  text.length <= PRINCIPAL_MAX_CHARS && PRINCIPAL.test(text)
export const Family = Type.String({
  pattern: '^(\\*|[a-z][a-z0-9-]*)$',
  maxLength: 64,
  description: 'a family of actions, such as state for state.put, or * for everything',
})
export const Thousandths = Type.Integer({
  minimum: 0,
  maximum: 1000,
  description: 'a number of thousandths, 0 to 1000',
})
export const Reason = Type.String({
  pattern: '^[^\\u0000-\\u001f\\u007f]+$',
  maxLength: REASON_MAX_CHARS,
  description: 'a sentence in one line',
})
/** In millionths of an outcome. */
export const Amounts = Closed({ positive: Integer, negative: Integer })
export const Text = Type.String()
export const Verdict = Type.Union([Type.Literal('positive'), Type.Literal('negative')])
export const ReportKind = Type.Union([
  Type.Literal('peer'),
  Type.Literal('verification'),
  Type.Literal('alert'),
])
export const Severity = Type.Union([
  Type.Literal('low'),
  Type.Literal('medium'),
  Type.Literal('high'),
  Type.Literal('critical'),
])
export const Reference = Type.String({
  pattern: '^[^\\u0000-\\u001f\\u007f]+$',
  maxLength: 512,
  description: 'where more is said of it: a URL, an entry, a run',
})
