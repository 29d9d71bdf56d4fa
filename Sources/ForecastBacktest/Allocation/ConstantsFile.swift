public import Allocation
public import FoundationEssentials

/// Why constants cannot be read.
public enum ConstantsFileError: Error, CustomStringConvertible {
    case unreadable(path: String, cause: any Error)
    case malformed(path: String, cause: any Error)

    public var description: String {
        switch self {
        case .unreadable(let path, let cause): "cannot read \(path): \(cause)"
        case .malformed(let path, let cause): "\(path) holds no constants: \(cause)"
        }
    }
}

extension MarginalConstants {
    public init(file: URL) throws(ConstantsFileError) {
        let data: Data
        do { data = try Data(contentsOf: file) } catch { throw .unreadable(path: file.path, cause: error) }
        do { self = try JSONDecoder().decode(Self.self, from: data) } catch {
            throw .malformed(path: file.path, cause: error)
        }
    }

    public var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
        }
    }

    /// As the source file that compiles them in.
    public var table: String {
        func rows(_ values: [Float]) -> String {
            stride(from: 0, to: values.count, by: 8).map { first in
                "            " + values[first..<min(first + 8, values.count)].map { "\($0)" }.joined(separator: ", ")
                    + ","
            }.joined(separator: "\n")
        }
        return """
            extension MarginalConstants {
                /// Fitted on all development traces by `outrider-sim fit-allocation --format swift`; never edited.
                public static let shipped = MarginalConstants(
                    fitted: [
            \(rows(floors))
                    ],
                    levels: [
            \(rows(levels))
                    ],
                    leaning: \(leaning))
            }

            """
    }
}
