import FoundationEssentials
@_spi(Simulation) import NetworkTypes
import Testing

/// The table of recorded seeds in `docs/simulation.md`.
struct RecordedSeed: Sendable, CustomTestStringConvertible {
    var name: String
    var defect: PlantedDefects
    var seed: UInt64
    var steps: Int
    var invariant: Int
    var testDescription: String { name }

    /// Rows between the markers: `| name | seed | steps | invariant | ... |`.
    static let all: [RecordedSeed] = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        guard let text = try? String(contentsOf: root.appending(path: "docs/simulation.md"), encoding: .utf8) else {
            return []
        }
        let known = Dictionary(PlantedDefects.named.map { ($0.name, $0.defect) }, uniquingKeysWith: { $1 })
        return text.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimming(while: { $0 == " " || $0 == "`" }) }
            guard cells.count >= 4, let defect = known[cells[0]], let seed = UInt64(cells[1]),
                let steps = Int(cells[2]), let invariant = Int(cells[3])
            else { return nil }
            return RecordedSeed(name: cells[0], defect: defect, seed: seed, steps: steps, invariant: invariant)
        }
    }()
}

extension Substring {
    fileprivate func trimming(while isBlank: (Character) -> Bool) -> String {
        var part = drop(while: isBlank)
        while let last = part.last, isBlank(last) { part.removeLast() }
        return String(part)
    }
}
