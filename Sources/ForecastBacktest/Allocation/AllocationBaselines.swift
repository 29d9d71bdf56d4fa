public import FoundationEssentials

/// Hits and wastes of other policies, as the reference scorer tabulates them: columns `policy`, `hit`, `hit_macro`,
/// `waste_pct`, `waste_macro` among others.
public struct AllocationBaselines: Sendable {
    public struct Row: Sendable, Hashable {
        public var policy: String
        public var pooled: AllocationCurve.Mark
        public var macro: AllocationCurve.Mark
    }

    public var rows: [Row]

    public init(file: URL) throws(TraceError) {
        let text: String
        do { text = String(decoding: try Data(contentsOf: file), as: UTF8.self) } catch {
            throw .unreadable(path: file.path, cause: error)
        }
        let lines = text.split(whereSeparator: \.isNewline)
        let heads = lines.first?.split(separator: ",").map(String.init) ?? []
        rows = []
        for (line, row) in lines.enumerated().dropFirst() {
            let fields = row.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            func number(_ name: String) -> Double? {
                heads.firstIndex(of: name).flatMap { $0 < fields.count ? Double(fields[$0]) : nil }
            }
            guard let policy = fields.first, let hit = number("hit"), let hitMacro = number("hit_macro"),
                let waste = number("waste_pct"), let wasteMacro = number("waste_macro")
            else { throw .malformed(path: file.path, line: line + 1) }
            rows.append(
                Row(
                    policy: policy, pooled: AllocationCurve.Mark(hit: hit, waste: waste),
                    macro: AllocationCurve.Mark(hit: hitMacro, waste: wasteMacro)))
        }
    }

    /// Policies whose share served lies within a sweep but costs less there.
    ///
    /// - Returns: how many were compared, and those that are better.
    public func better(
        than curve: AllocationCurve, _ mean: AllocationCurve.Mean, except: Set<String> = []
    ) -> (compared: Int, policies: [String]) {
        var compared = 0
        var policies: [String] = []
        for row in rows where !except.contains(row.policy) {
            let mark = mean == .pooled ? row.pooled : row.macro
            guard curve.spans(mark.hit, mean), let waste = curve.waste(at: mark.hit, mean) else { continue }
            compared += 1
            if waste > mark.waste { policies.append(row.policy) }
        }
        return (compared, policies)
    }
}
