// Objects as JSON texts, with whole numbers exact.

/** Returns a value as JSON. Throws a TypeError that names the field for what JSON has no form of. */
export function jsonOf(field: string, value: unknown): string {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return JSON.stringify(value);
    throw new TypeError(`${field}: ${value} is no number that can be sent`);
  }
  if (value instanceof Date) {
    if (!Number.isNaN(value.getTime())) return JSON.stringify(value);
    throw new TypeError(`${field}: is a date that is none`);
  }
  if (Array.isArray(value)) return `[${value.map((each, index) => jsonOf(`${field}[${index}]`, each)).join(',')}]`;
  if (typeof value === 'object') {
    const given = Object.entries(value).filter(([, each]) => each !== undefined);
    return `{${given.map(([key, each]) => `${JSON.stringify(key)}:${jsonOf(`${field}.${key}`, each)}`).join(',')}}`;
  }
  throw new TypeError(`${field}: a ${typeof value} has no form in JSON: send a text, number, truth value, list or object`);
}
