// How people read the rules: what a load did and would do, which policies there are, how far they bind, and whom that spares.

import { blockLines, type ListColumn, listPresent, present } from './listing.ts'
import { type Form, type Present, recordLines } from './render.ts'
import { timeText } from './times.ts'

interface ShownFlip {
  readonly action: string
  readonly before: string
  readonly after: string
  readonly policies: readonly string[]
  readonly count: number
  readonly example: string
}

interface ShownLoad {
  readonly status: string
  readonly digest: string
  readonly policies: number
  readonly reason?: string
  readonly rehearsal: {
    readonly looked: number
    readonly flipped: number
    readonly flips: readonly ShownFlip[]
    readonly added: readonly string[]
    readonly removed: readonly string[]
    readonly changed: readonly string[]
    readonly held?: readonly ShownHeld[]
  }
}

interface ShownHeld {
  readonly policy: string
  readonly state: string
  readonly declaredState: string
}

const FLIPS: readonly ListColumn<ShownFlip>[] = [
  { title: 'action', isWhole: true, cell: ({ action }) => action },
  { title: 'was', isWhole: true, cell: ({ before }) => before },
  { title: 'would be', isWhole: true, cell: ({ after }) => after },
  { title: 'times', isNumeric: true, cell: ({ count }) => count },
  { title: 'by', isWrapped: true, cell: ({ policies }) => policies.join(', ') || 'no rule permits' },
  { title: 'for example', isWhole: true, isOptional: true, cell: ({ example }) => example },
]

export const loadLines: Present = (output, form) => {
  const { status, digest, policies, reason, rehearsal } = output as ShownLoad
  const { looked, flipped, flips, added, removed, changed } = rehearsal
  const named = (names: readonly string[]) => (names.length === 0 ? undefined : names)
  return [
    ...recordLines(
      present({
        status,
        reason,
        digest,
        policies,
        'new ones': named(added),
        'gone ones': named(removed),
        'changed ones': named(changed),
        rehearsed: `on the last ${looked} decisions: ${flipped === 0 ? 'nothing' : flipped} would be different`,
      }),
      form.width,
    ),
    ...blockLines(FLIPS, flips, form),
  ]
}

/** A state that was meant for another text may stop nothing, and nobody would see it. */
export const loadRemarks = (output: unknown): string[] =>
  ((output as ShownLoad).rehearsal.held ?? []).map(
    ({ policy, state, declaredState }) =>
      `WARNING: ${policy} is ${state} and not ${declaredState}, as the roll-out says so of an earlier rule of this name; to take that back: polity gate mode --remove --policy ${policy}`,
  )

interface ShownRule {
  readonly id: string
  readonly state: string
  readonly declaredState?: string
  readonly effect: string
  readonly risk?: string
  readonly obligation?: string
  readonly isInviolable: boolean
  readonly description?: string
  readonly file: string
  readonly line: number
  readonly text?: string
}

const stateText = ({ state, declaredState }: ShownRule): string =>
  declaredState === undefined ? state : `${state} (the file says ${declaredState})`

const doesText = ({ effect, risk, obligation, isInviolable }: ShownRule): string =>
  [
    risk === undefined ? effect : `raises to ${risk}`,
    ...(obligation === undefined ? [] : [`unless ${obligation}`]),
    ...(isInviolable ? ['in every mode'] : []),
  ].join(' ')

const ruleTable = listPresent<ShownRule>([
  { title: 'policy', isWhole: true, cell: ({ id }) => id },
  { title: 'state', isWhole: true, cell: stateText },
  { title: 'does', isWhole: true, cell: doesText },
  { title: 'where', isOptional: true, cell: ({ file, line }) => `${file}:${line}` },
  { title: 'what for', isWrapped: true, cell: ({ description }) => description },
])

/** Their texts below the table, where they were asked for. */
export const ruleLines: Present = (page, form) => {
  const { items } = page as { readonly items: readonly ShownRule[] }
  const texts = items.flatMap(({ id, text }) =>
    text === undefined ? [] : ['', ...textLines(id, text, form)],
  )
  return [...ruleTable(page, form), ...texts]
}

const textLines = (id: string, text: string, { width }: Form): string[] =>
  text.split('\n').flatMap((line, at) => recordLines({ [at === 0 ? id : '']: line }, width))

interface ShownRollout {
  readonly mode: string
  readonly actions?: readonly { readonly prefix: string; readonly mode: string }[]
  readonly policies?: Readonly<Record<string, string>>
  readonly share?: { readonly percent: number; readonly by: string; readonly seed: string }
}

const rolloutRecord = ({ mode, actions = [], policies = {}, share }: ShownRollout): Record<string, unknown> =>
  present({
    mode,
    'of actions': actions.length === 0 ? undefined : actions.map((each) => `${each.prefix}: ${each.mode}`),
    'of policies':
      Object.keys(policies).length === 0
        ? undefined
        : Object.entries(policies).map(([id, state]) => `${id}: ${state}`),
    share:
      share && `${share.percent} percent of ${share.by}s; the others are not stopped (seed ${share.seed})`,
  })

interface ShownLaw {
  readonly rollout: ShownRollout
  readonly bundle: string
  readonly source?: string
  readonly previous?: string
  readonly rulesAt?: string
  readonly rulesBy?: string
  readonly rolloutAt?: string
  readonly rolloutBy?: string
  readonly fault?: string
}

export const rolloutLines: Present = (output, { width }) => {
  const { rollout, bundle, source, previous, rulesAt, rulesBy, rolloutAt, rolloutBy, fault } =
    output as ShownLaw
  const since = (at: string | undefined, by: string | undefined) =>
    at && `${timeText(at, width)}${by === undefined ? '' : `, ${by}`}`
  return recordLines(
    present({
      fault: fault && `EVERYTHING IS DENIED: ${fault}`,
      ...rolloutRecord(rollout),
      'so since': since(rolloutAt, rolloutBy),
      rules: bundle,
      'from files': source,
      'in force since': since(rulesAt, rulesBy),
      'before them': previous,
    }),
    width,
  )
}

interface ShownModeChange {
  readonly before: ShownRollout
  readonly after: ShownRollout
  readonly isChanged: boolean
}

export const modeLines: Present = (output, { width }) =>
  recordLines(rolloutRecord((output as ShownModeChange).after), width)

export const modeRemarks = (output: unknown): string[] =>
  (output as ShownModeChange).isChanged ? [] : ['it was so before: nothing has changed']

interface ShownCount {
  readonly name: string
  readonly count: number
}

interface ShownGraduation {
  readonly from: string
  readonly to: string
  readonly mode: string
  readonly looked: number
  readonly denied: number
  readonly suspended: number
  readonly policies: readonly ShownCount[]
  readonly principals: readonly ShownCount[]
  readonly actions: readonly ShownCount[]
  readonly days: readonly ShownCount[]
  readonly shadow: readonly ShownCount[]
}

const countColumns = (title: string): readonly ListColumn<ShownCount>[] => [
  { title, isWhole: true, cell: ({ name }) => name },
  { title: 'times', isNumeric: true, cell: ({ count }) => count },
]

export const graduationLines: Present = (output, form) => {
  const { from, to, mode, looked, denied, suspended, ...groups } = output as ShownGraduation
  return [
    ...recordLines({
      period: `${timeText(from, form.width)} to ${timeText(to, form.width)}`,
      mode: `${mode} now`,
      'looked at': `${looked} decisions`,
      'would be denied': denied,
      'would wait for people': suspended,
    }),
    ...blockLines(countColumns('stopped by'), groups.policies, form),
    ...blockLines(countColumns('who would be stopped'), groups.principals, form),
    ...blockLines(countColumns('action'), groups.actions, form),
    ...blockLines(countColumns('day'), groups.days, form),
    ...blockLines(countColumns('in the shadow, and would change'), groups.shadow, form),
  ]
}

export function graduationRemarks(output: unknown): string[] {
  const { denied, suspended, shadow } = output as ShownGraduation
  if (denied + suspended + shadow.length > 0) return []
  return ['nothing would have been stopped: tighten with `polity gate mode`']
}
