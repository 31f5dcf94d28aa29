// Names of repositories: each path keeps its own, one claim at a time, whichever run asks.

import { hash } from 'node:crypto'
import type { Reads } from '../../kernel/catalog/context.ts'
import { PolityError } from '../../kernel/errors.ts'
import { openTurns } from '../../kernel/turns.ts'
import { isAnalyzed, type RepositoryRow, repositories } from './contract.ts'

/**
 * A name that nobody else can take, and whose row nobody else can write, until it is disposed of: once what was
 * found is committed. DATA has one hub, so turns inside of it are enough.
 */
export interface Claim extends Disposable {
  readonly name: string
  /** The latest analysis under this name. */
  readonly before: RepositoryRow | undefined
}

export interface Names {
  /** The wanted name, or a longer one when another path has that. */
  claim(reads: Pick<Reads, 'get'>, wanted: string, path: string): Promise<Claim>
}

export function openNames(): Names {
  const turns = openTurns()
  return {
    claim: (reads, wanted, path) =>
      new Promise((resolve, reject) => {
        const hold = async () => {
          const found = await find(reads, wanted, path)
          await new Promise<void>((release) => resolve({ ...found, [Symbol.dispose]: release }))
        }
        turns.take(wanted, hold).catch(reject)
      }),
  }
}

/** Somebody who knows the path could have taken a few of them beforehand. */
const NAMES_TRIED_MAX = 16
const SUFFIX_CHARS = 8

async function find(
  reads: Pick<Reads, 'get'>,
  wanted: string,
  path: string,
): Promise<Omit<Claim, typeof Symbol.dispose>> {
  for (let tried = 0; tried < NAMES_TRIED_MAX; tried += 1) {
    const name = tried === 0 ? wanted : `${wanted}-${suffixOf(path, tried)}`
    const row = (await reads.get(repositories, name))?.value
    if (row === undefined || row.path === path)
      return { name, before: row && isAnalyzed(row) ? row : undefined }
  }
  throw new PolityError('internal', `no name is left for the repository ${wanted}`)
}

const suffixOf = (path: string, tried: number): string =>
  hash('sha256', `${path}${'\0'.repeat(tried - 1)}`, 'hex').slice(0, SUFFIX_CHARS)
