// The key ring: the key that signs a log's checkpoints, and during a handover its successor beside it.

import { Buffer } from 'node:buffer'
import { existsSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { formatVkey } from '../../kit/signed-note.ts'
import { PolityError } from '../errors.ts'
import { type Rotation, type RotationClaim, rotationStatement } from '../keys/rotation.ts'
import { syncFolder } from './files.ts'
import { fileSigner, keySigner, type Signer, writeKeyFile } from './signer.ts'

/** What a handover needs of the one who holds the keys, wherever that is. */
export interface KeyKeeping {
  /** Verifier keys that sign now: the key in force, and its successor if there is one. */
  vkeys(): readonly string[]
  /**
   * Makes a successor, or takes the one that is waiting, and has both keys sign that it takes over. From here on
   * both sign every checkpoint, so that whoever learns of the entry finds the new key's signature there already.
   * Throws `signer.failed`, `keys.external`.
   */
  prepare(claim: Omit<RotationClaim, 'from' | 'to'>): Promise<Rotation>
  /**
   * Follows what the log says: `current` is its newest key, `previous` one that still signs beside it. A successor
   * whose predecessor was retired takes its place, and the old key is destroyed. To be called once the entry that
   * says so is published. Answers the keys that sign from now on. Throws `signer.failed` when they do not fit.
   */
  settle(keys: { readonly current: string; readonly previous?: string }): Promise<readonly string[]>
}

export interface KeyRing extends Signer, KeyKeeping {
  readonly successor: Signer | undefined
}

/** Where a ring keeps its keys. */
export interface KeyPlace {
  /** The key in force, and a successor that is waiting. */
  load(): { readonly current: Signer; readonly successor?: Signer | undefined }
  /** Makes a successor and keeps it. */
  create(): Signer
  /** The successor takes the place of the current one, which is gone afterwards. */
  promote(): void
}

/** A ring that signs with what its place holds; the place is asked once, and after every change. */
function keyRing(place: KeyPlace): KeyRing {
  let { current, successor } = place.load()
  const vkeys = () => [current, ...(successor === undefined ? [] : [successor])].map(vkeyOf)
  return {
    get key() {
      return current.key
    },
    // Bound to the key that is current now: what is being signed while the keys change stays consistent.
    get sign() {
      return current.sign
    },
    get successor() {
      return successor
    },
    vkeys,
    async prepare(claim) {
      successor ??= place.create()
      return signRotation({ ...claim, from: vkeyOf(current), to: vkeyOf(successor) }, current, successor)
    },
    async settle({ current: newest, previous }) {
      if (successor !== undefined && vkeyOf(successor) === newest && vkeyOf(current) !== previous) {
        const retired = current
        place.promote()
        current = successor
        successor = undefined
        await retired.close?.()
      }
      if (!vkeys().includes(newest)) throw strange(newest)
      return vkeys()
    },
    async close() {
      await Promise.all([current.close?.(), successor?.close?.()])
    },
  }
}

const vkeyOf = ({ key }: Signer): string => formatVkey(key)

async function signRotation(claim: RotationClaim, old: Signer, successor: Signer): Promise<Rotation> {
  const statement = Buffer.from(rotationStatement(claim))
  return {
    ...claim,
    signatureByOld: base64(await old.sign(statement)),
    signatureByNew: base64(await successor.sign(statement)),
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

const strange = (vkey: string): PolityError =>
  new PolityError(
    'signer.failed',
    `the log says that ${vkey} signs it, but that key is not here: restore it from a copy`,
    { vkey },
  )

/** Keys in memory, gone with the process. */
export function memoryKeyRing(name: string, first: Signer = keySigner(name)): KeyRing {
  return keyRing({ load: () => ({ current: first }), create: () => keySigner(name), promote() {} })
}

/** The successor's file beside the key's. */
export const nextKeyPath = (path: string): string => `${path}.next`

/**
 * Keys in files readable by their owner only: `path`, and beside it the successor. With `external` a program that
 * holds a key signs: alone where there is no file, and as the successor of the file where there is one.
 * Throws `signer.failed`.
 */
export function fileKeyRing(name: string, path: string, isNew: boolean, external?: Signer): KeyRing {
  const next = nextKeyPath(path)
  const waiting = () => (existsSync(next) ? fileSigner(name, next, false) : undefined)
  return keyRing({
    load() {
      if (external === undefined) return { current: fileSigner(name, path, isNew), successor: waiting() }
      const current = existsSync(path) ? fileSigner(name, path, false) : external
      return vkeyOf(current) === vkeyOf(external) ? { current: external } : { current, successor: external }
    },
    create() {
      if (external !== undefined) throw held()
      writeKeyFile(next)
      return fileSigner(name, next, false)
    },
    promote() {
      if (external === undefined) renameSync(next, path)
      else rmSync(path)
      syncFolder(dirname(path))
    },
  })
}

const held = (): PolityError =>
  new PolityError(
    'keys.external',
    'the key is held by the signer command, and so would be its successor: start the hub with both (docs/keys.md)',
  )

/** For keys that have no successor here and never get one. */
export function fixedKeys(vkeys: readonly string[]): KeyKeeping {
  return {
    vkeys: () => vkeys,
    async prepare() {
      throw new PolityError(
        'keys.external',
        'this hub does not keep the key, so it cannot hand over to another one',
      )
    },
    async settle({ current }) {
      if (!vkeys.includes(current)) throw strange(current)
      return vkeys
    },
  }
}

/** What keeps the keys of a signer: itself, if it is a ring. */
export const keepingOf = (signer: Signer | KeyRing): KeyKeeping =>
  'settle' in signer ? signer : fixedKeys([vkeyOf(signer)])
