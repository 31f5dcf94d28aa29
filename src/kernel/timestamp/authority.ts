// Certificates of timestamping authorities: whose they are, what they are for, and who vouches for them.

import { X509Certificate } from 'node:crypto'
import { PolityError } from '../errors.ts'
import { childrenOf, context, type DerNode, expectTag, malformed, readDer, readOid, TAG } from './der.ts'

/** id-kp-timeStamping (RFC 3161 section 2.3). */
const TIME_STAMPING = '1.3.6.1.5.5.7.3.8'
const EXTENDED_KEY_USAGE = '2.5.29.37'
const CHAIN_MAX = 5
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g
const PEM_CERTIFICATES_MAX = 32

/** The certificates of a PEM file. Throws `usage` when it holds none. */
export function readCertificates(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(PEM) ?? []
  if (blocks.length === 0 || blocks.length > PEM_CERTIFICATES_MAX)
    throw new PolityError('usage', `this holds no PEM certificate, or over ${PEM_CERTIFICATES_MAX}`)
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch (error) {
    throw new PolityError('usage', `a certificate cannot be read: ${(error as Error).message}`, {}, error)
  }
}

/** Throws `timestamp.invalid`. */
export function certificateOf(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der)
  } catch (error) {
    throw malformed('a certificate in it cannot be read', error)
  }
}

/** Whether the certificate has this issuer (Name) and serial number (INTEGER), byte for byte. */
export function isIssuedAs(
  certificate: X509Certificate,
  issuer: DerNode | undefined,
  serial: DerNode | undefined,
): boolean {
  const { serial: itsSerial, issuer: itsIssuer } = partsOf(certificate)
  return (
    issuer !== undefined &&
    serial !== undefined &&
    itsIssuer.equals(issuer.raw) &&
    itsSerial.equals(serial.raw)
  )
}

/** TBSCertificate (RFC 5280 section 4.1). */
function partsOf({ raw }: X509Certificate) {
  const [tbs] = childrenOf(expectTag(readDer(raw), TAG.sequence, 'a certificate'))
  const fields = childrenOf(expectTag(tbs, TAG.sequence, 'a certificate'))
  const from = fields[0]?.tag === context(0) ? 1 : 0
  return {
    serial: expectTag(fields[from], TAG.integer, 'the serial number of a certificate').raw,
    issuer: expectTag(fields[from + 2], TAG.sequence, 'the issuer of a certificate').raw,
    extensions: fields.find(({ tag }) => tag === context(3)),
  }
}

/** "id-kp-timeStamping ... This extension MUST be critical", and it must be the only purpose. */
export function requireStampingPurpose(certificate: X509Certificate): void {
  const { extensions } = partsOf(certificate)
  const list = extensions === undefined ? [] : childrenOf(childrenOf(extensions)[0] ?? extensions)
  const usages = list.filter((each) => readOid(childrenOf(each)[0], 'an extension') === EXTENDED_KEY_USAGE)
  const [usage] = usages
  if (usages.length !== 1 || usage === undefined) throw malformed('its certificate is not for timestamps')
  const [, critical, value] = childrenOf(usage)
  if (critical?.tag !== TAG.boolean || critical.value[0] !== 0xff)
    throw malformed('the purpose of its certificate is not critical')
  const purposes = childrenOf(
    readDer(expectTag(value, TAG.octetString, 'the purpose of a certificate').value),
  )
  if (purposes.length !== 1 || readOid(purposes[0], 'a purpose') !== TIME_STAMPING)
    throw malformed('its certificate is not for timestamps alone')
}

export interface ChainOptions {
  /** Absent: the certificate is taken as it is, but must have been valid. */
  readonly trusted: readonly X509Certificate[] | undefined
  readonly intermediates: readonly X509Certificate[]
  readonly timeMs: number
}

/** Throws `timestamp.invalid` unless the certificate was valid and leads to a trusted one that was too. */
export function chainTo(
  certificate: X509Certificate,
  { trusted, intermediates, timeMs }: ChainOptions,
): void {
  let at = certificate
  for (let length = 0; length < CHAIN_MAX; length++) {
    requireValid(at, timeMs)
    if (trusted === undefined || trusted.some(({ fingerprint256 }) => fingerprint256 === at.fingerprint256))
      return
    const issuer = [...trusted, ...intermediates].find((each) => isIssuer(each, at))
    if (issuer === undefined) break
    at = issuer
  }
  throw malformed('nobody whom you trust vouches for its authority')
}

function requireValid({ validFromDate, validToDate }: X509Certificate, timeMs: number): void {
  if (timeMs < validFromDate.getTime() || timeMs > validToDate.getTime())
    throw malformed('a certificate was not valid at its time')
}

const isIssuer = (issuer: X509Certificate, certificate: X509Certificate): boolean =>
  issuer.ca &&
  issuer.fingerprint256 !== certificate.fingerprint256 &&
  certificate.checkIssued(issuer) &&
  certificate.verify(issuer.publicKey)
