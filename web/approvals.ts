// What waits for people: what is asked, by whom, why it stopped, what is still needed, and the buttons that answer it.

import { ApiError, act, get } from './api.ts'
import { coalesced } from './coalesced.ts'
import { byId, element } from './element.ts'
import { list, raw, record, text } from './json.ts'
import { counted, timeElement } from './numbers.ts'
import type { Entry } from './shapes.ts'

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

export function openApprovals(onError: (error: unknown) => void): ApprovalPanel {
  const items = new Map<string, Item>()
  let isOpen = false
  const refresh = coalesced(async () => {
    try {
      const waiting = readWaiting(await get(`/v1/approvals?limit=${SHOWN_MAX}`))
      // The session may have ended meanwhile.
      if (isOpen) draw(waiting)
    } catch (error) {
      if (error instanceof ApiError && error.status === FORBIDDEN) isOpen = false
      else onError(error)
    }
  })
  const look = () => {
    if (isOpen) void refresh()
  }
  const draw = (waiting: readonly Waiting[]) => {
    byId('approvals').hidden = waiting.length === 0
    const yours = waiting.filter(({ isYours }) => isYours).length
    byId('approvals-summary').textContent =
      `${counted(waiting.length, 'request')}${yours === 0 ? '' : ` · ${yours} for you`}`
    for (const id of items.keys()) if (!waiting.some(({ approval }) => approval === id)) items.delete(id)
    for (const each of waiting) {
      const item = items.get(each.approval) ?? itemOf(each, look)
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
      draw([])
    },
  }
}

function itemOf(
  { approval, action, resource, risk, requester, sentence, ...times }: Waiting,
  look: () => void,
): Item {
  const state = element('span', { class: 'verdict', 'data-tone': 'wait' })
  const needs = element('ul', { class: 'needs' })
  const answering = answerForm(approval, action, look)
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
      element('span', { 'data-expires': times.expiresAt }, leftOf(times.expiresAt)),
      ' · ',
      element('a', { href: `/v1/approvals/${encodeURIComponent(approval)}` }, 'all of it'),
    ),
    answering,
  )
  return {
    node,
    show({ status, progress, isYours }) {
      state.textContent = status
      needs.replaceChildren(...progress.map((each) => element('li', {}, each)))
      answering.hidden = !isYours
    },
  }
}

/** Agreeing is one click; a refusal says why. What the hub says to it stands below. */
function answerForm(approval: string, action: string, look: () => void): HTMLFormElement {
  const reason = element('input', {
    type: 'text',
    maxlength: 1000,
    autocomplete: 'off',
    placeholder: 'Why not (needed to deny)',
    'aria-label': `Reason for denying ${action}`,
  })
  const approve = element('button', { type: 'button' }, 'Approve')
  const deny = element('button', { type: 'submit', class: 'quiet' }, 'Deny')
  const answer = element('output', { class: 'answer' })
  const form = element('form', { class: 'answering' }, approve, reason, deny, answer)
  const send = async (name: string, input: object) => {
    approve.disabled = true
    deny.disabled = true
    answer.textContent = ''
    try {
      await act(name, { approval, ...input })
    } catch (error) {
      answer.textContent = error instanceof ApiError ? text(error.message) : String(error)
    } finally {
      approve.disabled = false
      deny.disabled = false
      look()
    }
  }
  approve.addEventListener('click', () => {
    const why = reason.value.trim()
    void send('approvals.approve', why === '' ? {} : { reason: why })
  })
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const why = reason.value.trim()
    if (why !== '') return void send('approvals.deny', { reason: why })
    answer.textContent = 'Say why: whoever asked will read it.'
    reason.focus()
  })
  return form
}
