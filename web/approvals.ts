// What waits for people: what is asked, by whom, why it stopped, what is still needed, and the buttons that answer it.

import { answering } from './answering.ts'
import { ApiError, get } from './api.ts'
import { coalesced } from './coalesced.ts'
import { byId, element } from './element.ts'
import { list, raw, record, text } from './json.ts'
import { counted, timeElement } from './numbers.ts'
import type { Entry } from './shapes.ts'
import type { Signing } from './signing.ts'

const SHOWN_MAX = 50
const TICK_MS = 1_000
/** The hub goes its rounds without an entry. */
const LOOK_MS = 30_000
const FORBIDDEN = 403

const [SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS] = [1000, 60_000, 3_600_000, 86_400_000]

export interface Waiting {
  readonly approval: string
  readonly status: string
  readonly action: string
  readonly resource: string
  readonly risk: string
  readonly requester: string
  readonly sentence: string
  readonly progress: readonly string[]
  readonly requestedAt: string
  readonly expiresAt: string
  readonly isYours: boolean
  /** With which this person could answer it now. */
  readonly answers: readonly string[]
  /** It was done behind broken glass, and nobody has said yet whether that was right. */
  readonly isReviewOwed: boolean
}

export interface ApprovalPanel {
  begin(status: unknown): void
  heard(news: readonly Entry[]): void
  clear(): void
}

export function readWaiting(page: unknown): Waiting[] {
  return list(record(page).items).map((item) => {
    const fields = record(item)
    return {
      approval: raw(fields.approval),
      status: text(fields.status),
      action: text(fields.action).replace(/@\d+$/, ''),
      resource: text(fields.resource),
      risk: text(fields.risk),
      requester: list(fields.requester).map(text).join(' > '),
      sentence: text(fields.sentence),
      progress: list(fields.progress).map(text),
      requestedAt: raw(fields.requestedAt),
      expiresAt: raw(fields.expiresAt),
      isYours: fields.isYours === true,
      answers: list(fields.answers).map(raw),
      isReviewOwed: fields.isReviewOwed === true,
    }
  })
}

/** `ends in 3 h 12 min`; the hub, not this clock, says when it has ended. */
export function leftOf(expiresAt: string, now = Date.now()): string {
  const ms = Date.parse(expiresAt) - now
  if (Number.isNaN(ms)) return ''
  if (ms <= 0) return 'ending now'
  if (ms < HOUR_MS)
    return `ends in ${Math.floor(ms / MINUTE_MS)} min ${Math.floor((ms % MINUTE_MS) / SECOND_MS)} s`
  if (ms < DAY_MS)
    return `ends in ${Math.floor(ms / HOUR_MS)} h ${Math.floor((ms % HOUR_MS) / MINUTE_MS)} min`
  return `ends in ${Math.floor(ms / DAY_MS)} d ${Math.floor((ms % DAY_MS) / HOUR_MS)} h`
}

interface Item {
  readonly node: HTMLLIElement
  show(waiting: Waiting): void
}

export function openApprovals(
  signing: Pick<Signing, 'signatureFor'>,
  onError: (error: unknown) => void,
): ApprovalPanel {
  const items = new Map<string, Item>()
  let isOpen = false
  const refresh = coalesced(async () => {
    try {
      const pages = await Promise.all(
        // What is for others must not hide what is for whoever looks.
        ['mine', 'open', 'review'].map((status) =>
          get(`/v1/approvals?status=${status}&limit=${SHOWN_MAX + 1}`),
        ),
      )
      // The session may have ended meanwhile.
      if (isOpen) draw(shownOf(pages.map(readWaiting)))
    } catch (error) {
      if (error instanceof ApiError && error.status === FORBIDDEN) isOpen = false
      else onError(error)
    }
  })
  const look = () => {
    if (isOpen) void refresh()
  }
  const draw = ({ waiting, isMore }: ReturnType<typeof shownOf>) => {
    byId('approvals').hidden = waiting.length === 0
    const yours = waiting.filter(({ isYours, answers }) => isYours || answers.includes('review')).length
    byId('approvals-summary').textContent =
      `${counted(waiting.length, 'request')}${isMore ? ' and more' : ''}${yours === 0 ? '' : ` · ${yours} for you`}`
    for (const id of items.keys()) if (!waiting.some(({ approval }) => approval === id)) items.delete(id)
    for (const each of waiting) {
      const item = items.get(each.approval) ?? itemOf(each, signing, look)
      items.set(each.approval, item)
      item.show(each)
    }
    const nodes = waiting.flatMap(({ approval }) => items.get(approval)?.node ?? [])
    const shown = byId('approval-list')
    // Whoever is writing a reason keeps the focus: what is in its place stays there.
    if (nodes.length !== shown.children.length || nodes.some((node, place) => shown.children[place] !== node))
      shown.replaceChildren(...nodes)
  }
  setInterval(() => {
    for (const each of document.querySelectorAll<HTMLElement>('#approvals [data-expires]'))
      each.textContent = leftOf(each.dataset.expires ?? '')
  }, TICK_MS)
  setInterval(() => {
    if (document.visibilityState === 'visible') look()
  }, LOOK_MS)

  return {
    begin(status) {
      isOpen = list(record(status).queries).some((name) => raw(name).startsWith('approvals.list@'))
      look()
    },
    heard(news) {
      if (news.some(({ type }) => type.startsWith('approval.'))) look()
    },
    clear() {
      isOpen = false
      items.clear()
      draw({ waiting: [], isMore: false })
    },
  }
}

/** Of each list its beginning; `isMore`: one of them goes on. */
export const shownOf = (lists: readonly (readonly Waiting[])[]) => ({
  waiting: onceEach(lists.flatMap((each) => each.slice(0, SHOWN_MAX))),
  isMore: lists.some(({ length }) => length > SHOWN_MAX),
})

/** What is agreed to between two questions is in both answers; what was said last counts. */
const onceEach = (waiting: readonly Waiting[]): Waiting[] => [
  ...new Map(waiting.map((each) => [each.approval, each])).values(),
]

function itemOf(
  { approval, action, resource, risk, requester, sentence, ...times }: Waiting,
  signing: Pick<Signing, 'signatureFor'>,
  look: () => void,
): Item {
  const state = element('span', { class: 'verdict', 'data-tone': 'wait' })
  const needs = element('ul', { class: 'needs' })
  const left = element('span', { 'data-expires': times.expiresAt }, leftOf(times.expiresAt))
  const asked = askedFor(approval)
  const form = answering(
    { approval, action, what: `${action} on ${resource}, asked for by ${requester}` },
    { signatureFor: signing.signatureFor, look },
  )
  const node = element(
    'li',
    { class: 'standing approval' },
    element(
      'span',
      { class: 'standing-name' },
      `${requester} asks for ${action} on ${resource} `,
      element('span', { class: 'risk', 'data-risk': risk }, risk),
    ),
    state,
    element('span', { class: 'sentence' }, sentence),
    needs,
    element(
      'span',
      { class: 'meta' },
      'asked ',
      timeElement(times.requestedAt),
      ' · ',
      left,
      ' · ',
      element('a', { href: `/v1/approvals/${encodeURIComponent(approval)}` }, 'all of it'),
    ),
    asked.node,
    ...form.nodes,
  )
  return {
    node,
    show({ status, progress, answers, isReviewOwed }) {
      state.textContent = isReviewOwed ? 'review owed' : status
      state.dataset.tone = isReviewOwed ? 'bad' : 'wait'
      if (isReviewOwed) {
        left.replaceWith('behind broken glass')
        asked.summary.textContent = 'What was done, and why'
      }
      needs.replaceChildren(...progress.map((each) => element('li', {}, each)))
      form.offer(answers)
    },
  }
}

const glassLine = (each: unknown): string => {
  const { by, reason } = record(each)
  return `${text(by)} broke the glass: ${text(reason)}`
}

/** Everything that an answer is about, once somebody wants to see it. */
function askedFor(approval: string): { readonly node: HTMLElement; readonly summary: HTMLElement } {
  const body = element('pre')
  const summary = element('summary', {}, 'What you agree to')
  const node = element('details', { class: 'asked' }, summary, body)
  node.addEventListener('toggle', async () => {
    if (!node.open) return
    try {
      const shown = record(await get(`/v1/approvals/${encodeURIComponent(approval)}`))
      body.textContent = [
        text(JSON.stringify(shown.input, undefined, 2) ?? '(the arguments are not kept)'),
        `input ${text(shown.inputDigest)}`,
        `rules ${text(shown.bundle)}`,
        `until ${text(shown.expiresAt)}, once`,
        ...list(shown.glass).map(glassLine),
      ].join('\n')
    } catch (error) {
      body.textContent = error instanceof Error ? text(error.message) : String(error)
    }
  })
  return { node, summary }
}
