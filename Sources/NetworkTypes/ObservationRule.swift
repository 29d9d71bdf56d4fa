/// Which interfaces of a host are looked at though another system manages them, and whose they are.
///
/// Text form, as configuration has it: words `KEY=VALUE`, at least one of `name`, `alias` and `domain` with a pattern in
/// which `*` stands for any characters and `?` for one, and `application`:
///
///     name=vnet* domain=web-* application=6f1d0c1e-0000-4000-8000-000000000001
///
/// All patterns that are given must hold.
public struct ObservationRule: Hashable, Sendable {
    /// Where the application of an interface is found.
    public enum Application: Hashable, Sendable {
        case fixed(ApplicationID)
        /// The first word of the interface's alias that is a UUID.
        case alias
        /// `<application>UUID</application>` of the libvirt domain's metadata.
        case metadata
    }

    /// Of the interface's name.
    public var name: String?
    /// Of its alias (IFLA_IFALIAS).
    public var alias: String?
    /// Of the libvirt domain's name; an interface of no domain never matches.
    public var domain: String?
    public var application: Application

    /// - Returns: nil without any pattern.
    public init?(name: String? = nil, alias: String? = nil, domain: String? = nil, application: Application) {
        guard name != nil || alias != nil || domain != nil else { return nil }
        self.name = name
        self.alias = alias
        self.domain = domain
        self.application = application
    }

    /// - Parameter domain: name of the libvirt domain that has the interface, nil when none is known.
    public func matches(name: String, alias: String, domain: String?) -> Bool {
        func holds(_ pattern: String?, _ text: String?) -> Bool {
            guard let pattern else { return true }
            return text.map { Self.matches(pattern, $0) } ?? false
        }
        return holds(self.name, name) && holds(self.alias, alias) && holds(self.domain, domain)
    }

    /// `*` any characters, `?` one; the time is bounded by the product of both lengths.
    static func matches(_ pattern: String, _ text: String) -> Bool {
        let (pattern, text) = (Array(pattern.unicodeScalars), Array(text.unicodeScalars))
        var (p, t) = (0, 0)
        // Where the last star stood, and how much of the text it has taken.
        var star: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == "*" {
                star = (p, t)
                p += 1
            } else if p < pattern.count, pattern[p] == "?" || pattern[p] == text[t] {
                p += 1
                t += 1
            } else if let last = star {
                star = (last.pattern, last.text + 1)
                p = last.pattern + 1
                t = last.text + 1
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == "*" }
    }
}

extension ObservationRule: LosslessStringConvertible {
    public init?(_ text: String) {
        var words: [String: String] = [:]
        for word in text.split(separator: " ") {
            guard let sign = word.firstIndex(of: "=") else { return nil }
            let value = String(word[word.index(after: sign)...])
            guard !value.isEmpty, words.updateValue(value, forKey: String(word[..<sign])) == nil else { return nil }
        }
        guard let owner = words.removeValue(forKey: "application") else { return nil }
        let application: Application
        switch owner {
        case "alias": application = .alias
        case "metadata": application = .metadata
        default:
            guard let id = ApplicationID(owner) else { return nil }
            application = .fixed(id)
        }
        guard words.keys.allSatisfy(["name", "alias", "domain"].contains) else { return nil }
        self.init(name: words["name"], alias: words["alias"], domain: words["domain"], application: application)
    }

    public var description: String {
        let patterns = [("name", name), ("alias", alias), ("domain", domain)].compactMap { key, value in
            value.map { "\(key)=\($0)" }
        }
        let owner =
            switch application {
            case .fixed(let id): id.description
            case .alias: "alias"
            case .metadata: "metadata"
            }
        return (patterns + ["application=\(owner)"]).joined(separator: " ")
    }
}
