import com.amazonaws.services.lambda.runtime.Context;
import java.util.HashMap;
import java.util.Map;

/** The handler of the conformance suite (../../verbs.py) under AWS's client for Java. */
public class Handler {
    private static int count;

    public Object handle(Map<String, Object> asked, Context context) throws Exception {
        String text = (String) asked.getOrDefault("text", "");
        int size = ((Number) asked.getOrDefault("size", 0)).intValue();
        switch ((String) asked.getOrDefault("do", "")) {
            case "echo": return asked.get("value");
            case "error": throw new RuntimeException(text);
            case "panic": throw new StackOverflowError(text);
            case "exit": Runtime.getRuntime().halt(size); return null;
            case "sleep": System.out.println(text); Thread.sleep(size); return null;
            case "large": return "x".repeat(size - 2);
            case "measure": return text.length();
            case "count": return ++count;
            case "print": System.out.println(text); return null;
            case "context": return about(context);
            default: return null;
        }
    }

    private static Map<String, Object> about(Context context) {
        Map<String, Object> known = new HashMap<>();
        known.put("request_id", context.getAwsRequestId());
        known.put("arn", context.getInvokedFunctionArn());
        known.put("remaining", context.getRemainingTimeInMillis());
        known.put("custom", context.getClientContext() == null ? Map.of() : context.getClientContext().getCustom());
        known.put("trace", System.getProperty("com.amazonaws.xray.traceHeader"));
        known.put("function", context.getFunctionName());
        known.put("memory", context.getMemoryLimitInMB());
        known.put("version", context.getFunctionVersion());
        return known;
    }
}
