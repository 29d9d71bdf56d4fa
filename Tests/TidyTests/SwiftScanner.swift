/// Just enough of Swift's lexical structure (The Swift Programming Language, "Lexical Structure") to tell code from
/// comments and literals: nested block comments, raw and multi-line strings, interpolation.
///
/// Regular expression literals are not recognised: their content counts as code, and an odd quote inside one would be
/// taken for the start of a string.
struct SwiftScanner {
    private let source: [UInt8]
    private var result: [UInt8] = []
    private var index = 0

    /// `text` with the bytes of comments and literals replaced by spaces; line ends stay.
    static func code(of text: String) -> String {
        var scanner = SwiftScanner(source: Array(text.utf8))
        scanner.result.reserveCapacity(scanner.source.count)
        while scanner.index < scanner.source.count { scanner.step() }
        return String(decoding: scanner.result, as: UTF8.self)
    }

    private init(source: [UInt8]) { self.source = source }

    private func starts(with text: StaticString, at offset: Int = 0) -> Bool {
        starts(with: Array(text.description.utf8), at: offset)
    }

    private func starts(with bytes: [UInt8], at offset: Int = 0) -> Bool {
        let start = index + offset
        guard start + bytes.count <= source.count else { return false }
        return bytes.indices.allSatisfy { source[start + $0] == bytes[$0] }
    }

    private mutating func keep(_ count: Int = 1) {
        let end = min(index + count, source.count)
        result += source[index..<end]
        index = end
    }

    private mutating func blank(_ count: Int = 1) {
        for _ in 0..<count where index < source.count {
            result.append(source[index] == Self.newline ? Self.newline : UInt8(ascii: " "))
            index += 1
        }
    }

    private static let newline = UInt8(ascii: "\n")
    private static let quote = UInt8(ascii: "\"")
    private static let hash = UInt8(ascii: "#")
    private static let slash = UInt8(ascii: "/")
    private static let backslash = UInt8(ascii: "\\")

    private mutating func step() {
        switch source[index] {
        case Self.slash where starts(with: "//"):
            while index < source.count, source[index] != Self.newline { blank() }
        case Self.slash where starts(with: "/*"):
            blockComment()
        case Self.quote, Self.hash:
            let hashes = source[index...].prefix { $0 == Self.hash }.count
            if starts(with: [Self.quote], at: hashes) { string(hashes: hashes) } else { keep(max(1, hashes)) }
        default:
            keep()
        }
    }

    private mutating func blockComment() {
        var depth = 0
        repeat {
            if starts(with: "/*") {
                depth += 1
                blank(2)
            } else if starts(with: "*/") {
                depth -= 1
                blank(2)
            } else {
                blank()
            }
        } while depth > 0 && index < source.count
    }

    private mutating func string(hashes: Int) {
        let marks = [UInt8](repeating: Self.hash, count: hashes)
        let triple = [UInt8](repeating: Self.quote, count: 3)
        let quotes = starts(with: triple, at: hashes) ? triple : [Self.quote]
        let (end, escape) = (quotes + marks, [Self.backslash] + marks)
        let interpolationStart = escape + [UInt8(ascii: "(")]
        keep(hashes + quotes.count)
        while index < source.count {
            if source[index] == Self.quote, starts(with: end) { return keep(end.count) }
            if source[index] != Self.backslash {
                blank()
            } else if starts(with: interpolationStart) {
                blank(escape.count)
                interpolation()
            } else {
                blank(starts(with: escape) ? escape.count + 1 : 1)
            }
        }
    }

    /// From `(` to its `)`: code again, with strings of its own.
    private mutating func interpolation() {
        var depth = 0
        repeat {
            if source[index] == UInt8(ascii: "(") { depth += 1 }
            if source[index] == UInt8(ascii: ")") { depth -= 1 }
            step()
        } while depth > 0 && index < source.count
    }
}

/// A function, initialiser or deinitialiser with a body.
struct FunctionSpan: Equatable {
    let name: String
    /// 1-based line of the keyword.
    let line: Int
    /// Lines from the keyword to the closing brace.
    let length: Int
}

extension SwiftFile {
    /// Every function of the file with its length.
    var functions: [FunctionSpan] {
        code.indices.compactMap { index in
            // The plain search first: it is far cheaper than the expression.
            guard ["func ", "init", "deinit"].contains(where: { code[index].contains($0) }),
                let match = code[index].firstMatch(of: /(?:^|[\s@])(func\s+[^\s(<]+|init(?=[?(<])|deinit)/),
                !code[index][..<match.range.lowerBound].contains(/[.=(]/)
            else { return nil }
            return end(from: index, column: match.range.upperBound)
                .map { FunctionSpan(name: String(match.1), line: index + 1, length: $0 - index + 1) }
        }
    }

    /// Line of the brace that closes the body which opens after the given place; nil for a declaration without body.
    private func end(from start: Int, column: String.Index) -> Int? {
        var (parentheses, braces) = (0, 0)
        for line in start..<code.count {
            let text = line == start ? code[line][column...] : code[line][...]
            if line > start, braces == 0, parentheses == 0, text.contains(Self.declaration) { return nil }
            for character in text {
                switch character {
                case "(", "[": parentheses += 1
                case ")", "]": parentheses -= 1
                case "{" where parentheses == 0 || braces > 0: braces += 1
                case "}" where parentheses == 0 || braces > 0:
                    braces -= 1
                    // The end of a protocol whose last requirement this was.
                    if braces < 0 { return nil }
                    if braces == 0 { return line }
                default: break
                }
            }
        }
        return nil
    }

    private static var declaration: Regex<(Substring, Substring)> {
        /^\s*(?:(?:public|private|fileprivate|internal|package|static|mutating|nonisolated|@\w+)\s+)*(func|var|let|init|case|struct|enum|associatedtype|subscript|typealias)\b/
    }
}
