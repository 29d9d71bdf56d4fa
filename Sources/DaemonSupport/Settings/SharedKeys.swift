import FoundationEssentials
import Logging

extension SettingKey where Value == Logger.Level {
    /// The one log level key of every daemon.
    static var logLevel: SettingKey {
        .scalar(
            "log-level",
            ValueFormat(
                expected: "one of " + Logger.Level.allCases.map(\.rawValue).joined(separator: ", "),
                parse: { Logger.Level(rawValue: $0) }, print: { $0.rawValue }), .defaulted(.info),
            "Messages below this level are not written. SIGHUP applies a change.")
    }
}

/// The text of a configuration file; a file that cannot be read is a configuration error.
func readConfigurationFile(_ file: String) throws(ConfigurationError) -> String {
    let data: Data
    do {
        data = try Data(contentsOf: URL(filePath: file))
    } catch {
        let reason = (error as? CocoaError)?.shortReason ?? "\(error)"
        throw ConfigurationError([
            ConfigurationProblem(
                file: file, problem: "cannot be read: \(reason)",
                fix: "check the path and its permissions, or name another file with --config")
        ])
    }
    guard let text = String(validating: data, as: UTF8.self) else {
        throw ConfigurationError([
            ConfigurationProblem(file: file, problem: "it is not UTF-8 text", fix: "save the file as UTF-8")
        ])
    }
    return text
}

extension CocoaError {
    fileprivate var shortReason: String {
        switch code {
        case .fileReadNoSuchFile, .fileNoSuchFile: "no such file"
        case .fileReadNoPermission: "permission denied"
        default: "\(self)"
        }
    }
}
