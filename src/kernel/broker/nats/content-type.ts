// The media type of a message: in binary mode of CloudEvents, NATS has it in ce-datacontenttype, and Content-Type means structured mode.

import { percentEncoded } from '../../../kit/cloudevents-http.ts'

type Headers = Readonly<Record<string, string>>

/** CloudEvents NATS binding (working draft after 1.0.2; that release knows no headers), sections 3 and 3.1.3.1. */
export function natsNames(headers: Headers): Headers {
  const { 'content-type': contentType, ...rest } = headers
  if (contentType === undefined) return rest
  return rest['ce-specversion'] === undefined
    ? { ...rest, 'Content-Type': contentType }
    : { ...rest, 'ce-datacontenttype': percentEncoded(contentType) }
}

/** The other way round, names in small letters. */
export function plainNames(headers: Headers): Headers {
  const { 'ce-datacontenttype': named, ...rest } = headers
  // What claims to be structured and binary at once is left for its reader to refuse.
  return named === undefined || rest['content-type'] !== undefined
    ? headers
    : { ...rest, 'content-type': decoded(named) }
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
