/// Why text is not JSON that is taken here. Offsets are bytes from the start.
public enum JSONError: Error, Hashable, Sendable {
    case unexpected(offset: Int, expected: String)
    case tooDeep(offset: Int, limit: Int)
    case tooLarge(bytes: Int, limit: Int)
    case duplicateKey(String, offset: Int)
    case trailing(offset: Int)
}

extension JSONValue {
    /// Bounds on what is read.
    public struct Limits: Hashable, Sendable {
        /// Arrays and objects inside each other.
        public var depth: Int
        /// Whole text, bytes.
        public var bytes: Int
        public init(depth: Int = 16, bytes: Int = 1 << 20) {
            self.depth = depth
            self.bytes = bytes
        }
    }

    /// Reads exactly one value. Refuses everything that RFC 8259 does, and also duplicate keys and texts that are not
    /// valid UTF-8.
    public init(parsing bytes: some Collection<UInt8>, limits: Limits = Limits()) throws(JSONError) {
        guard bytes.count <= limits.bytes else { throw .tooLarge(bytes: bytes.count, limit: limits.bytes) }
        var parser = JSONParser(bytes: Array(bytes), depthMax: limits.depth)
        parser.skipSpace()
        self = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.isAtEnd else { throw .trailing(offset: parser.offset) }
    }
}

struct JSONParser {
    let bytes: [UInt8]
    let depthMax: Int
    private(set) var offset = 0

    init(bytes: [UInt8], depthMax: Int) {
        self.bytes = bytes
        self.depthMax = depthMax
    }

    var isAtEnd: Bool { offset == bytes.count }
    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    mutating func skipSpace() {
        while let byte = next, byte == 32 || byte == 9 || byte == 10 || byte == 13 { offset += 1 }
    }

    private func unexpected(_ expected: String) -> JSONError { .unexpected(offset: offset, expected: expected) }

    private mutating func take(_ character: Unicode.Scalar) throws(JSONError) {
        guard next == UInt8(ascii: character) else { throw unexpected("'\(character)'") }
        offset += 1
    }

    mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth + 1)
        case UInt8(ascii: "["): return try array(depth: depth + 1)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func word(_ text: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
        guard bytes[offset...].starts(with: text.utf8) else { throw unexpected(text) }
        offset += text.utf8.count
        return value
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
        guard depth <= depthMax else { throw .tooDeep(offset: offset, limit: depthMax) }
        try take("{")
        var entries: [String: JSONValue] = [:]
        skipSpace()
        if next == UInt8(ascii: "}") {
            offset += 1
            return .object(entries)
        }
        while true {
            skipSpace()
            let start = offset
            guard next == UInt8(ascii: "\"") else { throw unexpected("a key") }
            let key = try string()
            skipSpace()
            try take(":")
            skipSpace()
            guard entries[key] == nil else { throw .duplicateKey(key, offset: start) }
            entries[key] = try value(depth: depth)
            skipSpace()
            if next == UInt8(ascii: ",") {
                offset += 1
                continue
            }
            try take("}")
            return .object(entries)
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSONValue {
        guard depth <= depthMax else { throw .tooDeep(offset: offset, limit: depthMax) }
        try take("[")
        var values: [JSONValue] = []
        skipSpace()
        if next == UInt8(ascii: "]") {
            offset += 1
            return .array(values)
        }
        while true {
            skipSpace()
            values.append(try value(depth: depth))
            skipSpace()
            if next == UInt8(ascii: ",") {
                offset += 1
                continue
            }
            try take("]")
            return .array(values)
        }
    }

    private mutating func string() throws(JSONError) -> String {
        try take("\"")
        let start = offset
        var text: [UInt8] = []
        while true {
            guard let byte = next else { throw unexpected("the end of a text") }
            offset += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let result = String(validating: text, as: UTF8.self) else {
                    throw .unexpected(offset: start, expected: "UTF-8")
                }
                return result
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<32:
                offset -= 1
                throw unexpected("an escaped control character")
            default: text.append(byte)
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        guard let byte = next else { throw unexpected("an escape") }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "u"):
            var code = try hex()
            if 0xD800...0xDBFF ~= code {
                try take("\\")
                try take("u")
                let low = try hex()
                guard 0xDC00...0xDFFF ~= low else { throw unexpected("the second half of a surrogate pair") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw unexpected("a Unicode scalar") }
            text += String(Character(scalar)).utf8
        default:
            offset -= 1
            throw unexpected("an escape of JSON")
        }
    }

    private mutating func hex() throws(JSONError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 128 else {
                throw unexpected("a hexadecimal digit")
            }
            code = code << 4 | UInt32(digit)
            offset += 1
        }
        return code
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = offset
        if next == UInt8(ascii: "-") { offset += 1 }
        let whole = try digits()
        if whole.count > 1, whole.first == UInt8(ascii: "0") {
            throw .unexpected(offset: start, expected: "a number without leading zeros")
        }
        var isWhole = true
        if next == UInt8(ascii: ".") {
            isWhole = false
            offset += 1
            _ = try digits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            isWhole = false
            offset += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { offset += 1 }
            _ = try digits()
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        if isWhole, let value = Int64(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else {
            throw .unexpected(offset: start, expected: "a number that fits")
        }
        return .number(value)
    }

    private mutating func digits() throws(JSONError) -> ArraySlice<UInt8> {
        let start = offset
        while let byte = next, 48...57 ~= byte { offset += 1 }
        guard offset > start else { throw unexpected("a digit") }
        return bytes[start..<offset]
    }
}
