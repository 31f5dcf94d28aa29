// With which keys people sign: whether each was registered by its person, as his first or vouched for by one before it.

import { type KeyRegistered, type KeyRemoved, voterKeys } from '../../approvals/contract.ts'
import { registrationOf } from '../../approvals/registering.ts'
import type { KeyRow } from '../../approvals/standing-records.ts'
import { PolityError } from '../../errors.ts'
import type { PublicData } from '../../log/entry.ts'
import { canonicalText } from '../../schema/canonical.ts'
import { failed } from './failure.ts'
import { foldRows, type Row, type Told } from './rows.ts'

/** How many keys were registered, and what stands for each of them. */
export interface VerifiedKeys {
  /** His first, or the first after all others were taken away: it rests on his token alone. */
  readonly first: number
  /** By a key that he had. */
  readonly vouched: number
  /** By somebody whose earlier entries may have been pruned. */
  readonly unknown: number
}

const REGISTERED = 'approval.key-registered@1'
const REMOVED = 'approval.key-removed@1'
const PERSON = 'user:'

export class RegisteredKeys {
  readonly #isWhole: boolean
  readonly #rows = new Map<string, Row<KeyRow>>()
  #verified: VerifiedKeys = { first: 0, vouched: 0, unknown: 0 }

  constructor(isWhole: boolean) {
    this.#isWhole = isWhole
  }

  /** Undefined for a log in which nobody registered one. */
  get verified(): VerifiedKeys | undefined {
    const { first, vouched, unknown } = this.#verified
    return first + vouched + unknown === 0 ? undefined : this.#verified
  }

  of(principal: string): KeyRow['keys'] {
    return this.#rows.get(principal)?.value.keys ?? []
  }

  /** To be told of every entry in order. Throws `verify.failed` with reason `registration`. */
  hear(told: Told): void {
    const { seq, type, event } = told
    try {
      if (type === REGISTERED) this.#check(event.data as PublicData<typeof KeyRegistered>, event.actor)
      if (type === REMOVED) this.#checkRemoval(event.data as PublicData<typeof KeyRemoved>)
      foldRows(voterKeys, this.#rows, told)
    } catch (error) {
      // No hub writes such an entry, so what it holds may have any form.
      const why = error instanceof PolityError ? error.message : 'it is no fact of approvals'
      const what = `entry ${seq} is about a key for votes, and cannot be: ${why}`
      throw failed('registration', what, { seq }, error)
    }
  }

  /** Asks what the hub asked: what it would have recorded is what stands there, or it did not record it. */
  #check(data: PublicData<typeof KeyRegistered>, actor: unknown): void {
    const { principal, registered, registration, vouched } = data
    if (!principal.startsWith(PERSON) || actor !== principal)
      throw invalid('a key is registered by the person whose it is')
    if (!this.#isWhole) {
      this.#count('unknown')
      return
    }
    const { version = 0, value: { keys } = { keys: [] } } = this.#rows.get(principal) ?? {}
    const { publicKey, credential } = registered
    const given = { publicKey, credential, registration, signature: vouched }
    if (canonicalText(registrationOf({ principal, keys, version }, given)) !== canonicalText(data))
      throw invalid('it is not what the hub would have recorded')
    this.#count(vouched === undefined ? 'first' : 'vouched')
  }

  #checkRemoval({ principal, key }: PublicData<typeof KeyRemoved>): void {
    if (this.#isWhole && !this.of(principal).some((each) => each.key === key))
      throw invalid('a key that is not there is not taken away')
  }

  #count(what: keyof VerifiedKeys): void {
    this.#verified = { ...this.#verified, [what]: this.#verified[what] + 1 }
  }
}

const invalid = (message: string) => new PolityError('input.invalid', message)
