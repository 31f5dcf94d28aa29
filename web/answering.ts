// How a request is answered: the buttons that the hub offers to this person, why, and what the hub says to it.

import { act } from './api.ts'
import { element } from './element.ts'
import { text } from './json.ts'
import type { Signing, Vote } from './signing.ts'

export interface Answerable {
  readonly approval: string
  readonly action: string
  /** In words, for whoever is about to sign. */
  readonly what: string
}

export interface Answering {
  readonly nodes: readonly HTMLElement[]
  /** Only what the hub would take from this person now. */
  offer(answers: readonly string[]): void
}

type Ports = Pick<Signing, 'signatureFor'> & { look(): void }

const REASON_MAX = 1000

export function answering(asked: Answerable, ports: Ports): Answering {
  const forms = [voteForm(asked, ports), glassForm(asked, ports), reviewForm(asked, ports)]
  return {
    nodes: forms.map(({ node }) => node),
    offer(answers) {
      for (const form of forms) form.offer(answers)
    },
  }
}

interface Form {
  readonly node: HTMLElement
  offer(answers: readonly string[]): void
}

/** Agreeing is one click; a refusal says why. */
function voteForm(asked: Answerable, ports: Ports): Form {
  const reason = reasonField('Why, if you deny', `Reason for denying ${asked.action}`)
  const approve = element('button', { type: 'button' }, 'Approve')
  const abstain = element('button', { type: 'button', class: 'quiet' }, 'Abstain')
  const deny = element('button', { type: 'submit', class: 'quiet' }, 'Deny')
  const answer = element('output', { class: 'answer' })
  const node = element('form', { class: 'answering' }, approve, reason, deny, abstain, answer)
  const send = sending(asked, ports, { buttons: [approve, deny, abstain], answer })
  approve.addEventListener('click', () => void send('approve', reason.value.trim()))
  abstain.addEventListener('click', () => void send('abstain', reason.value.trim()))
  node.addEventListener('submit', (event) => {
    event.preventDefault()
    if (reason.value.trim() !== '') return void send('deny', reason.value.trim())
    answer.textContent = 'Say why: whoever asked will read it.'
    reason.focus()
  })
  return {
    node,
    offer(answers) {
      node.hidden = !answers.includes('approve')
      abstain.hidden = !answers.includes('abstain')
    },
  }
}

const GLASS_WORDS =
  'For an emergency: it is done without those who are asked. It takes two people of the role owner or break-glass who have not asked for it. Who broke the glass, and why, stays in the log, and a third person has to review it.'

/** Never by one click, and never beside the button that agrees. */
function glassForm(asked: Answerable, ports: Ports): Form {
  const reason = reasonField('The emergency', `Reason for breaking the glass for ${asked.action}`)
  const button = element('button', { type: 'submit', class: 'grave' }, 'Go on without them')
  const answer = element('output', { class: 'answer' })
  const form = element('form', { class: 'answering' }, reason, button, answer)
  const node = element(
    'details',
    { class: 'asked glass' },
    element('summary', {}, 'Break the glass'),
    element('p', { class: 'hint' }, GLASS_WORDS),
    form,
  )
  const send = sending(asked, ports, { buttons: [button], answer })
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    if (reason.value.trim() !== '') return void send('break-glass', reason.value.trim())
    answer.textContent = 'Say what the emergency is: whoever reviews it will read it.'
    reason.focus()
  })
  return {
    node,
    offer(answers) {
      node.hidden = !answers.includes('break-glass')
    },
  }
}

/** Neither finding undoes anything: it says what those who look at the log later will ask. */
function reviewForm(asked: Answerable, ports: Ports): Form {
  const note = reasonField('Your finding', `Finding about ${asked.action}`)
  const justified = element('button', { type: 'button', class: 'quiet' }, 'Justified')
  const unjustified = element('button', { type: 'button', class: 'quiet' }, 'Not justified')
  const answer = element('output', { class: 'answer' })
  const node = element('form', { class: 'answering reviewing' }, note, justified, unjustified, answer)
  const close = (finding: 'justified' | 'unjustified') => {
    const found = note.value.trim()
    if (found !== '')
      return void saying(ports, { buttons: [justified, unjustified], answer }, () =>
        act('approvals.review', { approval: asked.approval, finding, note: found }),
      )
    answer.textContent = 'Say what you have found: it stays in the log.'
    note.focus()
  }
  justified.addEventListener('click', () => close('justified'))
  unjustified.addEventListener('click', () => close('unjustified'))
  // Which of the two it is, Enter does not say.
  node.addEventListener('submit', (event) => event.preventDefault())
  return {
    node,
    offer(answers) {
      node.hidden = !answers.includes('review')
    },
  }
}

const reasonField = (placeholder: string, label: string): HTMLInputElement =>
  element('input', {
    type: 'text',
    maxlength: REASON_MAX,
    autocomplete: 'off',
    placeholder,
    'aria-label': label,
  })

interface Controls {
  readonly buttons: readonly HTMLButtonElement[]
  readonly answer: HTMLOutputElement
}

/** Signs what is about to be said, reason and all, where this person signs, and says it. */
function sending({ approval, what }: Answerable, ports: Ports, controls: Controls) {
  return (vote: Vote, why: string): Promise<void> =>
    saying(ports, controls, async () => {
      const said = { approval, ...(why === '' ? {} : { reason: why }) }
      const signature = await ports.signatureFor({ ...said, vote }, () => {
        controls.answer.textContent = `Follow your browser. You sign: ${vote} ${what}.`
      })
      await act(`approvals.${vote}`, { ...said, ...(signature === undefined ? {} : { signature }) })
    })
}

/** One at a time. */
async function saying(
  { look }: Pick<Ports, 'look'>,
  { buttons, answer }: Controls,
  say: () => Promise<unknown>,
): Promise<void> {
  const disable = (isDisabled: boolean) => {
    for (const button of buttons) button.disabled = isDisabled
  }
  disable(true)
  answer.textContent = ''
  try {
    await say()
    answer.textContent = ''
  } catch (error) {
    answer.textContent = error instanceof Error ? text(error.message) : String(error)
  } finally {
    disable(false)
    look()
  }
}
