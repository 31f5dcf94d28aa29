// With what you sign your votes: the passkeys of this page, how one is registered, and the signature of a vote.

import { ApiError, act, ask } from './api.ts'
import { coalesced } from './coalesced.ts'
import { byId, element } from './element.ts'
import { type Json, list, raw, record, text } from './json.ts'
import { timeElement } from './numbers.ts'
import { type Credential, createPasskey, signWithPasskey, whyNot } from './passkeys.ts'
import type { Entry } from './shapes.ts'

const ENROLMENT = 'approvals.enrolment'
const REGISTER = 'approvals.register-key'
const GET = 'approvals.get'

interface Key {
  readonly key: string
  readonly registeredAt: string
  /** Absent for a key of the command line. */
  readonly credential?: Credential
}

interface Enrolment {
  readonly principal: string
  readonly keys: readonly Key[]
  readonly offer: string
  readonly vouch: string
}

export type Vote = 'approve' | 'deny' | 'abstain' | 'break-glass'

/** As `approvals.get` names them. */
const STATEMENTS: Readonly<Record<Vote, string>> = {
  approve: 'approve',
  deny: 'deny',
  abstain: 'abstain',
  'break-glass': 'breakGlass',
}

/** What somebody is about to say. */
export interface Meant {
  readonly approval: string
  readonly vote: Vote
  readonly reason?: string
}

/** As the hub takes it. */
export interface Signature {
  readonly key: string
  readonly signature: string
  readonly authenticatorData: string
  readonly clientDataJson: string
}

export interface Signing {
  begin(status: unknown): void
  heard(news: readonly Entry[]): void
  clear(): void
  /** Undefined for whoever has registered no key; `onAsked` when the browser is about to ask. Rejects with what to do, in words. */
  signatureFor(meant: Meant, onAsked: () => void): Promise<Signature | undefined>
}

export function readEnrolment(answer: unknown): Enrolment {
  const { principal, keys, offer, vouch } = record(answer)
  return {
    principal: raw(principal),
    keys: list(keys).map((item) => {
      const { key, registeredAt, credential } = record(item)
      return {
        key: raw(key),
        registeredAt: raw(registeredAt),
        ...(credential === undefined ? {} : { credential: readCredential(record(credential)) }),
      }
    }),
    offer: raw(offer),
    vouch: raw(vouch),
  }
}

const readCredential = ({ id, rpId, origin }: Json): Credential => ({
  id: raw(id),
  rpId: raw(rpId),
  origin: raw(origin),
})

/** A signature is over what the person sees, or there is none. Throws in words. */
export function requireVote(statement: string, { approval, vote, reason }: Meant): void {
  let fields: Json = {}
  try {
    fields = record(JSON.parse(statement))
  } catch {
    // As one that says nothing.
  }
  const isMeant =
    fields.kind === 'polity.approval-vote/2' &&
    fields.approval === approval &&
    fields.vote === vote &&
    fields.reason === (reason ?? null) &&
    // The page answers for nobody else.
    fields.delegator === null
  if (!isMeant) throw new Error('The hub asks for a signature over something else: nothing was signed.')
}

export function openSigning(onError: (error: unknown) => void): Signing {
  let isOpen = false
  let enrolment: Enrolment | undefined
  const refresh = coalesced(async () => {
    try {
      const read = readEnrolment(await ask(ENROLMENT, {}))
      if (!isOpen) return
      enrolment = read
      draw(enrolment)
    } catch (error) {
      // Whoever is no person has no vote, and nothing to sign with.
      if (error instanceof ApiError && error.status === 403) isOpen = false
      else onError(error)
    }
  })
  const button = byId('signing-register')
  button.addEventListener('click', () => void registerHere())
  const registerHere = async () => {
    if (enrolment === undefined) return
    button.setAttribute('disabled', '')
    say('')
    try {
      await register(say)
      say('Registered. Each of your votes is signed from now on.')
    } catch (error) {
      say(error instanceof Error ? text(error.message) : String(error))
    } finally {
      button.removeAttribute('disabled')
      void refresh()
    }
  }

  return {
    begin(status) {
      isOpen = list(record(status).queries).some((name) => raw(name).startsWith(`${ENROLMENT}@`))
      if (isOpen) void refresh()
    },
    heard(news) {
      if (isOpen && news.some(({ type }) => type.startsWith('approval.key-'))) void refresh()
    },
    clear() {
      isOpen = false
      enrolment = undefined
      byId('signing').hidden = true
      byId('signing-keys').replaceChildren()
      byId('signing-state').textContent = ''
      byId('signing-note').textContent = ''
      say('')
    },
    async signatureFor(meant, onAsked) {
      const { vote, ...about } = meant
      const { keys } = readEnrolment(await ask(ENROLMENT, {}))
      if (keys.length === 0) return undefined
      if (passkeysHere(keys).length === 0) throw new Error(elsewhere(meant, keys))
      const shown = record(await ask(GET, about))
      const statement = raw(record(shown.statements)[STATEMENTS[vote]])
      requireVote(statement, meant)
      onAsked()
      return sign(statement, keys)
    },
  }
}

/** One that is new is vouched for by one that is there. */
async function register(say: (news: string) => void): Promise<void> {
  // What is offered holds until the next change.
  const { principal, keys, offer } = readEnrolment(await ask(ENROLMENT, {}))
  if (keys.length > 0 && passkeysHere(keys).length === 0) throw new Error(ELSEWHERE)
  say('Follow your browser: it makes a passkey.')
  const made = await createPasskey(offer, principal, credentialsOf(keys))
  if (keys.length === 0) {
    await act(REGISTER, made)
    return
  }
  say('Once more: a passkey that you have vouches for the new one.')
  const { vouch } = readEnrolment(await ask(ENROLMENT, { publicKey: made.publicKey }))
  await act(REGISTER, { ...made, signature: await sign(vouch, keys) })
}

async function sign(statement: string, keys: readonly Key[]): Promise<Signature> {
  const here = passkeysHere(keys)
  const { id, ...signature } = await signWithPasskey(statement, credentialsOf(here))
  const used = here.find(({ credential }) => credential?.id === id)
  if (used === undefined) throw new Error('Another passkey answered than those that are registered.')
  return { key: used.key, ...signature }
}

const credentialsOf = (keys: readonly Key[]): Credential[] =>
  keys.flatMap(({ credential }) => credential ?? [])

/** Those that were made on this page: a browser shows no other page's. */
const passkeysHere = (keys: readonly Key[]): Key[] =>
  whyNot() === undefined ? keys.filter(({ credential }) => credential?.origin === location.origin) : []

const ELSEWHERE =
  'You sign with a key that is not on this page. A further one is vouched for where that one is: on the page where its passkey was made, or on the command line.'

function elsewhere({ approval, vote }: Meant, keys: readonly Key[]): string {
  const [origin] = keys.flatMap(({ credential }) => credential?.origin ?? [])
  return origin === undefined
    ? `You sign with a key of the command line: polity approvals ${vote} ${approval} --key FILE`
    : `Your passkey belongs to another page: answer at ${origin}`
}

function draw({ principal, keys }: Enrolment): void {
  const here = passkeysHere(keys)
  const obstacle = whyNot()
  byId('signing').hidden = false
  byId('signing-state').textContent =
    keys.length === 0
      ? `Votes of ${text(principal)} count as attributed, unsigned. With a passkey they are signed, and from then on they must be.`
      : `Each vote of ${text(principal)} must be signed with one of these:`
  byId('signing-keys').replaceChildren(...keys.map((key) => keyLine(key, here.includes(key))))
  const button = byId('signing-register')
  button.textContent = keys.length === 0 ? 'Register a passkey' : 'Register a further passkey'
  button.hidden = obstacle !== undefined || (keys.length > 0 && here.length === 0)
  const note = byId('signing-note')
  note.textContent = obstacle ?? (button.hidden ? ELSEWHERE : '')
  note.hidden = note.textContent === ''
}

const keyLine = ({ key, registeredAt, credential }: Key, isHere: boolean): HTMLLIElement =>
  element(
    'li',
    {},
    element('code', {}, text(key)),
    ` ${credential === undefined ? 'key of the command line' : isHere ? 'passkey' : `passkey of ${text(credential.origin)}`}, registered `,
    timeElement(registeredAt),
  )

function say(news: string): void {
  byId('signing-answer').textContent = news
}
