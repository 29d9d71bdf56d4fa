/// Reads the plain XML that libvirt writes, event by event: elements, attributes, text, comments, CDATA, the predefined
/// entities and character references. No document types: what has one is refused, and so is anything that is not well
/// formed.
struct XMLReader {
    struct Element: Hashable {
        var name: String
        var attributes: [String: String]
    }
    enum Event: Hashable {
        /// ``XMLReader/path`` ends with it.
        case begin(Element)
        /// All of the text of an element without children, trimmed, and the element's attributes; before its end.
        case text(String, attributes: [String: String])
        /// The path still ends with it.
        case end(String)
    }

    static let depthMax = 64

    private let bytes: [UInt8]
    private var position = 0
    private var open: [Element] = []
    private var text: [UInt8] = []
    private var pending: [Event] = []
    /// The last event given was the end of the innermost element.
    private var closes = false
    private var failed = false
    private var ended = false

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Names of the elements around the latest event, the outermost first.
    var path: [String] { open.map(\.name) }

    /// The document is well formed and was read to its end.
    var isComplete: Bool { ended && !failed }

    /// Nil at the end, or where the text is not well formed.
    mutating func next() -> Event? {
        if closes {
            open.removeLast()
            closes = false
            if open.isEmpty { ended = true }
        }
        if !pending.isEmpty { return give(pending.removeFirst()) }
        while !failed, position < bytes.count {
            guard bytes[position] == UInt8(ascii: "<") else {
                takeText()
                continue
            }
            if let event = markup() { return give(event) }
        }
        return nil
    }

    private mutating func give(_ event: Event) -> Event {
        if case .end = event { closes = true }
        return event
    }

    private mutating func fail() -> Event? {
        failed = true
        return nil
    }

    private mutating func takeText() {
        let end = bytes[position...].firstIndex(of: UInt8(ascii: "<")) ?? bytes.count
        let part = bytes[position..<end]
        position = end
        if open.isEmpty {
            // Between and after the elements of a document only white space stands.
            if !part.allSatisfy(Self.isSpace) { failed = true }
        } else if let plain = Self.resolve(part) {
            text += plain
        } else {
            failed = true
        }
    }

    private func starts(with prefix: StaticString) -> Bool {
        bytes[position...].starts(with: Array("\(prefix)".utf8))
    }

    private mutating func skip(past terminator: String) -> ArraySlice<UInt8>? {
        let wanted = Array(terminator.utf8)
        var index = position
        while index + wanted.count <= bytes.count {
            if bytes[index] == wanted[0], bytes[index..<index + wanted.count].elementsEqual(wanted) {
                defer { position = index + wanted.count }
                return bytes[position..<index]
            }
            index += 1
        }
        return nil
    }

    private mutating func markup() -> Event? {
        if starts(with: "<!--") {
            position += 4
            return skip(past: "-->") == nil ? fail() : nil
        }
        if starts(with: "<![CDATA[") {
            position += 9
            guard let part = skip(past: "]]>"), !open.isEmpty else { return fail() }
            text += part
            return nil
        }
        if starts(with: "<?") { return skip(past: "?>") == nil ? fail() : nil }
        if starts(with: "</") {
            position += 2
            return closing()
        }
        position += 1
        return opening()
    }

    private mutating func closing() -> Event? {
        guard let name = self.name() else { return fail() }
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: ">"), open.last?.name == name else {
            return fail()
        }
        position += 1
        guard let element = open.last, let text = takenText() else { return fail() }
        if text.isEmpty { return .end(name) }
        pending = [.end(name)]
        return .text(text, attributes: element.attributes)
    }

    /// The text since the last tag, trimmed; nil when it is not UTF-8.
    private mutating func takenText() -> String? {
        let part = text.drop(while: Self.isSpace)
        let count = part.reversed().drop(while: Self.isSpace).count
        defer { text = [] }
        return String(validating: part.prefix(count), as: UTF8.self)
    }

    private mutating func opening() -> Event? {
        guard !ended, open.count < Self.depthMax, let name = self.name() else { return fail() }
        var element = Element(name: name, attributes: [:])
        text = []
        while true {
            let before = position
            skipSpace()
            guard position < bytes.count else { return fail() }
            switch bytes[position] {
            case UInt8(ascii: ">"):
                position += 1
                open.append(element)
                return .begin(element)
            case UInt8(ascii: "/"):
                guard position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: ">") else { return fail() }
                position += 2
                open.append(element)
                pending = [.end(name)]
                return .begin(element)
            default:
                guard position > before, let (key, value) = attribute(), element.attributes[key] == nil else {
                    return fail()
                }
                element.attributes[key] = value
            }
        }
    }

    private mutating func attribute() -> (String, String)? {
        guard let key = name() else { return nil }
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: "=") else { return nil }
        position += 1
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: "'") || bytes[position] == UInt8(ascii: "\"")
        else { return nil }
        let quote = bytes[position]
        position += 1
        guard let end = bytes[position...].firstIndex(of: quote) else { return nil }
        defer { position = end + 1 }
        let part = bytes[position..<end]
        guard !part.contains(UInt8(ascii: "<")), let plain = Self.resolve(part) else { return nil }
        return String(validating: plain, as: UTF8.self).map { (key, $0) }
    }

    private mutating func name() -> String? {
        let part = bytes[position...].prefix { byte in
            (48...58).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte >= 0x80
                || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_")].contains(byte)
        }
        guard !part.isEmpty else { return nil }
        position += part.count
        return String(validating: part, as: UTF8.self)
    }

    private mutating func skipSpace() {
        while position < bytes.count, Self.isSpace(bytes[position]) { position += 1 }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { [32, 9, 10, 13].contains(byte) }

    /// With the references replaced; nil when one is not known.
    private static func resolve(_ part: ArraySlice<UInt8>) -> [UInt8]? {
        guard part.contains(UInt8(ascii: "&")) else { return Array(part) }
        var result: [UInt8] = []
        var rest = part
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "&") else {
                result.append(byte)
                continue
            }
            guard let end = rest.prefix(12).firstIndex(of: UInt8(ascii: ";")),
                let scalar = scalar(of: String(decoding: rest[..<end], as: UTF8.self))
            else { return nil }
            result += Array(String(Character(scalar)).utf8)
            rest = rest[(end + 1)...]
        }
        return result
    }

    private static func scalar(of reference: String) -> Unicode.Scalar? {
        let named: [String: Unicode.Scalar] = ["amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'"]
        if let scalar = named[reference] { return scalar }
        guard reference.hasPrefix("#") else { return nil }
        let digits = reference.dropFirst()
        let value = digits.hasPrefix("x") ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
        return value.flatMap(Unicode.Scalar.init)
    }
}
