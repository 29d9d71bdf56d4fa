/// What is wrong with a compressed file.
public enum InflateError: Error, Hashable, Sendable {
    /// No gzip header, or one with a method other than deflate.
    case notGzip
    /// The data end inside a block.
    case truncated
    /// A code, length or distance that the format does not know.
    case corrupt
}

/// Decompression of gzip (RFC 1952) and deflate (RFC 1951): traces come compressed, and no C library is worth having for
/// that. The checksum is not verified.
public struct Inflate {
    private let input: [UInt8]
    private var position = 0
    private var bits: UInt32 = 0
    private var bitCount = 0
    private var output: [UInt8] = []

    /// The first member of a gzip file.
    public static func gunzip(_ data: [UInt8]) throws(InflateError) -> [UInt8] {
        guard data.count > 18, data[0] == 0x1f, data[1] == 0x8b, data[2] == 8 else { throw .notGzip }
        let flags = data[3]
        var start = 10
        if flags & 4 != 0 { start += 2 + Int(data[10]) + Int(data[11]) << 8 }
        for flag in [UInt8(8), 16] where flags & flag != 0 {
            while start < data.count, data[start] != 0 { start += 1 }
            start += 1
        }
        if flags & 2 != 0 { start += 2 }
        guard start < data.count else { throw .truncated }
        var inflate = Inflate(input: data, position: start)
        try inflate.run()
        return inflate.output
    }

    private init(input: [UInt8], position: Int) {
        self.input = input
        self.position = position
    }

    private mutating func run() throws(InflateError) {
        var isLast = false
        while !isLast {
            isLast = try take(1) == 1
            switch try take(2) {
            case 0: try stored()
            case 1: try block(Self.fixedLiterals, Self.fixedDistances)
            case 2:
                let (literals, distances) = try tables()
                try block(literals, distances)
            default: throw .corrupt
            }
        }
    }

    private mutating func take(_ count: Int) throws(InflateError) -> Int {
        while bitCount < count {
            guard position < input.count else { throw .truncated }
            bits |= UInt32(input[position]) << UInt32(bitCount)
            position += 1
            bitCount += 8
        }
        let value = bits & (1 << UInt32(count) - 1)
        bits >>= UInt32(count)
        bitCount -= count
        return Int(value)
    }

    private mutating func stored() throws(InflateError) {
        bits = 0
        bitCount = 0
        guard position + 4 <= input.count else { throw .truncated }
        let length = Int(input[position]) | Int(input[position + 1]) << 8
        position += 4
        guard position + length <= input.count else { throw .truncated }
        output += input[position..<position + length]
        position += length
    }

    private mutating func tables() throws(InflateError) -> (Huffman, Huffman) {
        let literals = try take(5) + 257
        let distances = try take(5) + 1
        let codes = try take(4) + 4
        var lengths = [UInt8](repeating: 0, count: 19)
        for place in Self.codeOrder.prefix(codes) { lengths[place] = UInt8(try take(3)) }
        let code = Huffman(lengths)
        var all: [UInt8] = []
        while all.count < literals + distances {
            let symbol = try decode(code)
            switch symbol {
            case 0...15: all.append(UInt8(symbol))
            case 16:
                guard let last = all.last else { throw .corrupt }
                all += Array(repeating: last, count: 3 + (try take(2)))
            case 17: all += Array(repeating: 0, count: 3 + (try take(3)))
            default: all += Array(repeating: 0, count: 11 + (try take(7)))
            }
        }
        guard all.count == literals + distances else { throw .corrupt }
        return (Huffman(Array(all[..<literals])), Huffman(Array(all[literals...])))
    }

    private mutating func decode(_ code: Huffman) throws(InflateError) -> Int {
        var value = 0
        var first = 0
        var index = 0
        for length in 1...15 {
            value |= try take(1)
            let count = code.counts[length]
            if value - count < first { return code.symbols[index + value - first] }
            index += count
            first = (first + count) << 1
            value <<= 1
        }
        throw .corrupt
    }

    private mutating func block(_ literals: Huffman, _ distances: Huffman) throws(InflateError) {
        while true {
            let symbol = try decode(literals)
            if symbol < 256 {
                output.append(UInt8(symbol))
                continue
            }
            if symbol == 256 { return }
            guard symbol < 286 else { throw .corrupt }
            let length = Self.lengthBase[symbol - 257] + (try take(Self.lengthExtra[symbol - 257]))
            let code = try decode(distances)
            guard code < 30 else { throw .corrupt }
            let distance = Self.distanceBase[code] + (try take(Self.distanceExtra[code]))
            guard distance <= output.count else { throw .corrupt }
            for _ in 0..<length { output.append(output[output.count - distance]) }
        }
    }

    private static let codeOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    private static let lengthExtra = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ]
    private static let lengthBase = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ]
    private static let distanceExtra = (0..<30).map { max(0, $0 / 2 - 1) }
    private static let distanceBase: [Int] = distanceExtra.reduce(into: [1]) { $0.append($0[$0.count - 1] + 1 << $1) }
    private static let fixedLiterals = Huffman(
        (0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 })
    private static let fixedDistances = Huffman(Array(repeating: 5, count: 30))
}

/// A canonical code: how many symbols have each length, and the symbols in the order of their codes.
private struct Huffman {
    var counts = [Int](repeating: 0, count: 16)
    var symbols: [Int] = []

    init(_ lengths: [UInt8]) {
        for length in 1...15 {
            for (symbol, own) in lengths.enumerated() where Int(own) == length {
                counts[length] += 1
                symbols.append(symbol)
            }
        }
    }
}
