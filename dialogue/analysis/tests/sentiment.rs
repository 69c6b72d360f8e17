//! How somebody feels: which way sentences lean, and what turns and scales words.

use tertulia_analysis::{Language, SentimentLabel, sentiment};

const GOOD: SentimentLabel = SentimentLabel::Positive;
const BAD: SentimentLabel = SentimentLabel::Negative;
const NEITHER: SentimentLabel = SentimentLabel::Neutral;

fn check(language: Language, rows: &[(SentimentLabel, &str)]) {
    for (expected, text) in rows {
        let found = sentiment(text, language);
        assert_eq!(found.label, *expected, "{text}: {}", found.score);
        assert!((-1.0..=1.0).contains(&found.score), "{text}");
    }
}

#[test]
fn english_sentences_lean() {
    check(
        Language::English,
        &[
            (GOOD, "I love this app"),
            (GOOD, "thank you so much, that was very helpful"),
            (GOOD, "The staff were friendly and the food was delicious."),
            (GOOD, "not bad at all"),
            (GOOD, "no problem"),
            (GOOD, "great :)"),
            (GOOD, "It took a while but the result is amazing"),
            (GOOD, "you guys are AWESOME!!!"),
            (GOOD, "I'm really happy with the service"),
            (BAD, "this is terrible"),
            (BAD, "I am very disappointed"),
            (BAD, "not good"),
            (BAD, "the app doesn't work"),
            (BAD, "I don't like it"),
            (BAD, "it was never great"),
            (BAD, "The room was nice, but the staff were rude"),
            (BAD, "my card was stolen :("),
            (BAD, "worst service ever!!"),
            (BAD, "I've been charged twice and I'm furious"),
            (BAD, "it isn't helpful"),
            (BAD, "the app keeps crashing"),
            (NEITHER, ""),
            (NEITHER, "where is my card"),
            (NEITHER, "I would like to open an account"),
            (NEITHER, "book a table for two at 7pm"),
            (NEITHER, "what is the exchange rate"),
            (NEITHER, "can you help me change my address"),
        ],
    );
}

#[test]
fn chinese_sentences_lean() {
    check(
        Language::Chinese,
        &[
            (GOOD, "我很喜欢这家店"),
            (GOOD, "太好了，谢谢你"),
            (GOOD, "服务非常好，菜也很好吃"),
            (GOOD, "不错"),
            (GOOD, "价格不贵，环境干净"),
            (GOOD, "虽然有点慢，但是味道很棒"),
            (GOOD, "没问题"),
            (GOOD, "不是不好"),
            (BAD, "太差了"),
            (BAD, "我非常失望"),
            (BAD, "不好吃"),
            (BAD, "我不喜欢"),
            (BAD, "服务态度很差，再也不来了"),
            (BAD, "菜好吃，但是服务员很粗鲁"),
            (BAD, "垃圾软件，老是闪退"),
            (BAD, "我的钱被骗了"),
            (BAD, "一点也不方便"),
            (NEITHER, "你好"),
            (NEITHER, "附近有什么酒店"),
            (NEITHER, "请问银行几点开门"),
            (NEITHER, "帮我推荐一家餐馆"),
            (NEITHER, "我想订明天晚上七点的两人桌"),
        ],
    );
}

#[test]
fn words_scale_one_another() {
    let english = |text| sentiment(text, Language::English).score;
    let chinese = |text| sentiment(text, Language::Chinese).score;
    // Stronger, shouted, exclaimed.
    assert!(english("it is very good") > english("it is good"));
    assert!(english("it is slightly good") < english("it is good"));
    assert!(english("it is GOOD") > english("it is good"));
    assert!(english("it is good!!!") > english("it is good"));
    assert!(english("it is bad!!!") < english("it is bad"));
    assert!(chinese("非常好") > chinese("好"));
    assert!(chinese("有点贵") > chinese("很贵"));
    // Turned, and turned again; what is turned is weaker.
    assert!(english("it is not great") > -english("it is great"));
    assert!(english("it is not great") < 0.0);
    assert!(chinese("不太满意") < 0.0 && chinese("不太满意") > -chinese("满意"));
    // A negation ends with its clause.
    assert!(english("no, great service") > 0.0);
    // A text in capitals shouts nothing more.
    assert_eq!(english("IT IS GOOD"), english("it is good"));
    // More of the same is more, and never beyond the bound.
    let much = "terrible horrible awful ".repeat(2000);
    assert!(english(&much) >= -1.0 && english(&much) < english("terrible"));
}

/// What people say all day without a feeling: answers, requests, what they look for.
#[test]
fn answers_and_requests_are_no_feelings() {
    check(
        Language::English,
        &[
            (NEITHER, "yes"),
            (NEITHER, "Yes, please."),
            (NEITHER, "no"),
            (NEITHER, "No, not now"),
            (NEITHER, "no thanks"),
            (NEITHER, "No, thank you."),
            (NEITHER, "ok"),
            (NEITHER, "okay then"),
            (NEITHER, "yes, that is correct"),
            (NEITHER, "no, I meant the one in Madrid"),
            (NEITHER, "I agree"),
            (NEITHER, "cancel my order"),
            (NEITHER, "help"),
            (NEITHER, "I need to block my card"),
            (NEITHER, "is there a cheap restaurant in the north"),
            (NEITHER, "an expensive restaurant with Italian food"),
            (NEITHER, "do you accept Visa?"),
            (NEITHER, "can I talk to support"),
            (GOOD, "yes, that was great"),
            (GOOD, "ok thanks"),
            (BAD, "no, that is awful"),
            (BAD, "ok, but it is still broken"),
            (BAD, "it is too expensive"),
            (BAD, "no, it doesn't work"),
        ],
    );
    check(
        Language::Chinese,
        &[
            (NEITHER, "好"),
            (NEITHER, "好，那就这样"),
            (NEITHER, "好的"),
            (NEITHER, "可以"),
            (NEITHER, "行"),
            (NEITHER, "不行"),
            (NEITHER, "不用了"),
            (NEITHER, "对的，没错"),
            (NEITHER, "取消订单"),
            (NEITHER, "附近有什么好吃的"),
            (GOOD, "好的，谢谢"),
            (GOOD, "味道好"),
            (GOOD, "很好"),
            (BAD, "不好"),
            (BAD, "好吧，但是太慢了"),
        ],
    );
}
