#!/usr/bin/python3
"""Writes test/data/jinja-probes.jsonl: thousands of one-feature templates and what Jinja2, configured as transformers
configures it, makes of them. Needs the oracle.py, cases.json and probe_vars.json of the conformance data.

usage: make-jinja-probes.py FOLDER-OF-ORACLE.PY OUTPUT.jsonl [EVERY-NTH-OF-THE-PRODUCTS]
"""
import datetime, hashlib, itertools, json, os, re, signal, sys, warnings

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import oracle

P = []


def add(template, **variables):
    P.append((template, variables))


# Products of values and operations.
V=["none","true","false","0","1","-7","255","3.5","-0.0","1e20","123456789012345678901234567890","''","'a'","'Hello World'","u","'  x y  '","'12'","'-3.7'","'<b>&'","'<i>'|safe","[]","[3,1,2]","['b','A','c']","[[1,2],[0]]","()","(1,'x')","{}","d","ms","nested","range(4)","undef","d.items()","d.keys()","d.values()","l|map('string')","namespace(a=1)","'ab\\ncd\\n'","[none,1]","[1.5,true]","'straße'","'ǆ ßﬁ'"]
F={"abs":[""],"attr":["('a')","('upper')"],"batch":["(2)|list","(2,'z')|list","(0)|list"],"capitalize":[""],"center":["","(9)","(width=10)"],"count":[""],"d":["('D')","('D',true)"],"default":["","('D')","('D',boolean=true)"],"dictsort":["","(true)","(by='value')","(reverse=true)","(false,'value',true)","(by='x')"],"e":[""],"escape":[""],"filesizeformat":["","(true)"],"first":[""],"float":["","(2)","(default='x')"],"forceescape":[""],"format":["","(1)","('x','y')","(a=1)"],"groupby":["('role')","(0)","('n',default=1)"],"indent":["","(2)","(2,true)","('>',true,true)","(first=true)","(blank=true)"],"int":["","(5)","(0,16)","(base=8)","(default=none)"],"join":["","(',')","(',',0)","(d='|')","(attribute='n')"],"last":[""],"length":[""],"list":[""],"lower":[""],"items":["|list"],"map":["('upper')|list","('length')|list","(attribute='role')|list","(attribute='n',default=9)|list","('default','x')|list","()|list","('nope')|list","('int')|list","(attribute=0)|list"],"min":["","(true)","(attribute='n')"],"max":["","(true)","(attribute='n')"],"pprint":[""],"reject":["|list","('odd')|list","('string')|list","('none')|list"],"rejectattr":["('n')|list","('role','eq','user')|list"],"replace":["('a','b')","('l','L',1)","('','-')","('',' ',2)","('x')"],"reverse":["|list","|string|length"],"round":["","(1)","(2,'floor')","(0,'ceil')","(-1)","(none)","(1,'x')"],"safe":[""],"select":["|list","('odd')|list","('gt',1)|list","('in',[1,'b'])|list","('nope')|list"],"selectattr":["('n')|list","('n','gt',1)|list","('role.x')|list","()|list"],"slice":["(2)|list","(3,'z')|list","(0)|list"],"sort":["","(true)","(reverse=true)","(case_sensitive=true)","(attribute='n')","(attribute='role,n')","(attribute=0)"],"string":[""],"striptags":[""],"sum":["","(start=10)","('n')","(attribute='n')","(start=[])"],"title":[""],"tojson":["","(indent=2)","(sort_keys=true)","(true)","(indent=0)","(separators=(',',':'))","(separators=',;')"],"trim":["","('x ')","(chars='a')"],"truncate":["","(5)","(5,true)","(5,false,'…')","(3,true,'',0)","(2)"],"unique":["|list","(true)|list","(attribute='n')|list"],"upper":[""],"urlencode":[""],"urlize":["","(3)","(nofollow=true)"],"wordcount":[""],"wordwrap":["","(3)","(4,false)","(5,wrapstring='/')"],"xmlattr":["","(false)"]}
for f,argss in F.items():
    for a in argss:
        for v in V:
            add("{{ (%s)|%s%s }}"%(v,f,a))
T=["odd","even","divisibleby(3)","defined","undefined","filter","test","none","boolean","false","true","integer","float","lower","upper","string","mapping","number","sequence","iterable","callable","sameas(1)","sameas(none)","escaped","in([1,'a'])","in('abc')","eq(1)","ne('a')","gt(1)","ge(1)","lt(1)","le('b')","equalto(true)","nope"]
for t in T:
    for v in V: add("{{ (%s) is %s }}"%(v,t))
W=["none","true","2","-3","2.5","0","'a'","'2'","[1]","(1,)","{'a':1}","undef","9223372036854775807","123456789012345678901","range(3)","'<'|safe","1e300","d.keys()"]
for op in ["+","-","*","/","//","%","**","~","==","!=","<","<=",">",">=","in","not in","and","or"]:
    for a in W:
        for b in W:
            if op=='**' and (len(b)>10 or b=='1e300' ): continue
            if op=='*' and ('9223' in a+b or '1234' in a+b) and re.search(r"['\[(r]",a+b): continue
            add("{{ %s %s %s }}"%(a,op,b))
for op in "-+": 
    for a in V: add("{{ %s(%s) }}"%(op,a))
for a in V: add("{{ not (%s) }}|{{ 1 if (%s) else 2 }}"%(a,a))
for a in V: 
    add("{%% for x in (%s) %%}{{ loop.index }}{{ x }}{{ loop.last }}{{ loop.length }};{%% else %%}E{%% endfor %%}"%a)
    add("{{ [%s] }}"%a); add("{{ (%s)|string }}"%a); add("{{ (%s)[0] }}"%a); add("{{ (%s)[-1] }}"%a); add("{{ (%s)['a'] }}"%a); add("{{ (%s).a }}"%a); add("{{ (%s)[1:] }}"%a); add("{{ (%s)[::-1] }}"%a); add("{{ (%s)[::2] }}"%a);add("{{ (%s)[none] }}"%a);add("{{ (%s)[1.0] }}"%a)
    add("{{ {%s: 1} }}"%a); add("{{ '%%s|%%r' %% (%s, %s) }}"%(a,a)); add("{{ '{}|{!r}'.format(%s, %s) }}"%(a,a)); add("{{ (%s)() }}"%a); add("{{ dict(%s) }}"%a); add("{{ namespace(%s) }}"%a); add("{{ range(%s)|list }}"%a if a not in("255",) else "{{1}}"); add("{{ '%%d' %% (%s) }}"%a);add("{{ '%%5.1f|' %% (%s) }}"%a);add("{{ '%%x' %% (%s) }}"%a);add("{{ '{:>8}|'.format(%s) }}"%a);add("{{ '{:d}'.format(%s) }}"%a);add("{{ '{:.2f}'.format(%s) }}"%a);add("{{ ','.join(%s) }}"%a);add("{{ raise_exception(%s) }}"%a);add("{%% set a, b = %s %%}{{ a }}{{ b }}"%a);add("{{ cycler(*%s).next() }}"%a)
S=["''","'a'","'Hello World'","u","'  x y  '","'ab\\ncd\\r\\nef'","'straße ΑΣ ΑΣΑ'","'ǆ ßﬁ ŉ'","'a,b,,c'","'xxaxx'","'ABC'","'a1_'","'٣²½'","'\\x1ca\\u2028b\\x85'","'<b>'|safe","'Éa ÉB'","'-42'","'+7'","'a\\tb\\tc'","'日本語'"]
M=["capitalize()","casefold()","center(9)","center(9,'*')","center(8,'ab')","count('a')","count('')","count('a',1)","count('l',2,-1)","encode()","encode('ascii','ignore')","encode('latin-1','replace')","endswith('x')","endswith(('d','x'))","endswith('l',0,4)","expandtabs()","expandtabs(4)","expandtabs(tabsize=0)","find('a')","find('l',3)","find('zz')","find('',99)","find('','x')","format()","index('a')","index('z')","isalnum()","isalpha()","isascii()","isdecimal()","isdigit()","isidentifier()","islower()","isnumeric()","isprintable()","isspace()","istitle()","isupper()","join(['x','y'])","join('abc')","join([1])","join({'k':1})","ljust(8)+'|'","ljust(8,'.')","lower()","lstrip()+'|'","lstrip('xa')","partition('a')","partition('')","removeprefix('x')","removesuffix('x')","replace('a','Q')","replace('a','Q',1)","replace('','-')","replace('l','',-1)","replace(old='a',new='b')","rfind('a')","rindex('l')","rjust(8,'0')","rpartition('a')","rsplit()","rsplit(',')","rsplit(',',1)","rsplit(none,1)","rsplit(maxsplit=1)","rstrip()+'|'","rstrip('xd')","split()","split(',')","split(',',1)","split(none,1)","split(' ',-1)","split(sep=',',maxsplit=2)","split('')","split(1)","splitlines()","splitlines(true)","splitlines(keepends=true)","startswith('H')","startswith('')","startswith('e',1)","startswith('e',1,0)","startswith(['H'])","strip()+'|'","strip('x')","strip(none)","strip(1)","swapcase()","title()","translate({97:'Q',98:none,99:120})","upper()","zfill(6)","zfill(-1)","upper","nope()","__len__()","maketrans('ab','xy')","striptags()","unescape()","format_map({'a':1})","length()","encode('utf-8').decode()","encode().hex()","encode('nope')"]
for s in S:
    for m in M: add("{{ (%s).%s }}"%(s,m))
L=["[3,1,2,1]","['a','b']","[]","(1,2,1)","range(5)","range(0,10,3)","'abca'"]
for l in L:
    for m in ["index(1)","index('a')","index(1,2)","index(1,-2)","count(1)","count('a')","copy()","pop()","pop(0)","pop(9)","clear()","append(1)","extend([1])","insert(0,1)","remove(1)","reverse()","sort()","__getitem__(0)","index()","start","stop","step","pop","append"]:
        if m in("pop",): m="pop is defined"
        add("{{ (%s).%s }}"%(l,m))
for m in ["get('a')","get('z')","get('z','q')","get()","get('a',default=1)","keys()","values()","items()","keys()|list","values()|sum","items()|list|length","copy()","pop('a')","popitem()","setdefault('a',1)","update({})","clear()","fromkeys(['a','b'],0)","a","['a']","z","['z']","keys() - ['a','b']|list","keys()|first","items()|first","keys() == d.keys()","items() == d.items()","keys().isdisjoint(['q'])","keys().mapping","b.real","get is callable","keys()[0]","values()|list|sort"]:
    add("{{ d.%s }}"%m if m[0]!='[' else "{{ d%s }}"%m)
for n in ["5","-5","0","2.5","2.0","-0.0","1e22","true","123456789012345678901234567890"]:
    for m in ["real","imag","numerator","denominator","conjugate()","bit_length()","bit_count()","as_integer_ratio()","is_integer()","hex()","to_bytes(16,'big')","to_bytes(2,'little')","__add__(1)","foo"]:
        add("{{ (%s).%s }}"%(n,m))
specs=["","d","5","<5","^7","*^9","=+6","05","+","-"," ","#x","#o","#b","x","X","b","o","c","e","E",".3e","f",".0f","#.0f",".2f","F","g","G",".3g","#g","n","%",".1%",",","_","10,","010,",",.2f","_x","s",".2","5.1",">10.3","z.1f","+.2e","q","08.2f","<08","1000",".10f","é>5","0>6","=5","^5s","10s",".2s","05s","#s","+s",",s","{}"]
vals=["0","42","-42","1234567","3.14159","-2.5","1e10","1e-7","123456789.987","0.1","100.0","true","none","'abc'","'é'","1e400","123456789012345678901","[1]","-0.04"]
for sp in specs:
    for v in vals: add("{{ '{:%s}|'.format(%s) }}"%(sp,v) if '{}' not in sp else "{{ '{:{}}|'.format(%s,5) }}"%v)
psp=["%s","%r","%a","%d","%i","%u","%5d|","%-5d|","%05d","%+d","% d","%x","%#x","%X","%o","%#o","%c","%e","%.2e","%E","%f","%.0f","%10.3f|","%-10.2f|","%+.1f","%g","%.3g","%#g","%G","%5s|","%-5s|","%.2s|","%05s","%%","%q","%","%.3d","%ld","%(a)s","%5%"]
for sp in psp:
    for v in vals: add("{{ '%s' %% %s }}"%(sp,v))
    add("{{ '%s' %% {'a': 1.5} }}"%sp); add("{{ '%s' %% (1,2) }}"%sp); add("{{ '%s' %% () }}"%sp)
for t in ["{{ '%*d|' % (5, 3) }}","{{ '%-*s|' % (5, 'a') }}","{{ '%.*f' % (2, 3.14159) }}","{{ '%(x)s-%(x)d' % {'x': 3} }}","{{ '%(z)s' % {'x': 3} }}","{{ '{0}{1}{0}'.format('a','b') }}","{{ '{}{1}'.format('a','b') }}","{{ '{1}{}'.format('a','b') }}","{{ '{a}'.format(a=1) }}","{{ '{a.b}'.format(a={'b':1}) }}","{{ '{a[b]}'.format(a={'b':1}) }}","{{ '{0[1]}'.format([1,2]) }}","{{ '{0[9]}|'.format([1,2]) }}","{{ '{0.upper}'.format('x')|length > 3 }}","{{ '{{}}'.format() }}","{{ '{'.format() }}","{{ '}'.format() }}","{{ '{!s}'.format(none) }}","{{ '{!a}'.format('é') }}","{{ '{!x}'.format('é') }}","{{ '{:{w}.{p}f}|'.format(3.14159,w=8,p=2) }}","{{ '{:{:{}}}'.format(1,2,3) }}","{{ '{0:{1}}|'.format('a','>4') }}","{{ '{a'.format(a=1) }}","{{ '{a!}'.format(a=1) }}","{{ '{a!r'.format(a=1) }}","{{ '{.x}'.format(d) }}","{{ '{0.}'.format(d) }}","{{ '{0[]}'.format(d) }}","{{ '{0[a}'.format(d) }}","{{ '{0[a]b}'.format(d) }}","{{ '{a}{b}'.format_map({'a':1,'b':2}) }}","{{ '{a}'.format_map({}) }}","{{ '{}'.format_map({}) }}","{{ ('<{}>'|safe).format('<') }}","{{ ('<%s>'|safe) % '<' }}","{{ ('<%s>'|safe) % ('<',) }}","{{ ('<'|safe) ~ '<' }}","{{ ('<'|safe) + '<' }}","{{ '<' + ('<'|safe) }}","{{ ('<a>'|safe).join(['<','>']) }}","{{ ('<'|safe).replace('<','>') }}","{{ ('<'|safe)|replace('<','>') }}","{{ ['<'|safe, '<']|join('&') }}","{{ ('a b'|safe).split() }}","{{ ('ab'|safe)[0] }}|{{ [('ab'|safe)[0]] }}","{{ [('ab'|safe)|upper, ('ab'|safe)|title, ('ab'|safe)|trim, ('ab'|safe)*2] }}","{{ ('ab'|safe)|list }}","{{ ('ab'|safe)|tojson }}","{{ ('a&b'|e).unescape() }}","{{ '&lt;&eacute;&#65;&#x41;&nosuch;&amp&notit;'|safe|striptags }}","{{ '<!-- x --><p>a  b</p>\n c'|striptags }}"]: add(t)

PRODUCTS = {template for template, _ in P}

# Statements, white space, literals and the edges of everything.
# whitespace products
for o in ["","-","+"]:
  for c in ["","-","+"]:
    for pre in ["a"," ","\n","a\n  ","a  ","\n\n\t","a\u00a0\n\u2003"]:
      for post in ["b"," b","\nb","\n\n b","  \n"]:
        add(pre+"{%"+o+" if t "+c+"%}"+post+"{% endif %}|")
        add(pre+"{#"+o+" x "+c+"#}"+post+"|")
        if c!="+": add(pre+"{{"+o+" 1 "+c+"}}"+post+"|")
        add(pre+"{%"+o+" raw %}"+post+"{{x}} {%"+c+" endraw %}\n |")
        add("{% raw %} r "+pre+"{%"+o+" endraw "+c+"%}"+post+"|")
for s in ["a\r\nb\r\n","a\rb","\r\n{% if t %}\r\nx\r\n{% endif %}\r\n","a\n","a\n\n","\n","","a\r","{{ 'a\r\nb' }}","{{ 1 }}\n","{{ 1 }}\n\n","{% set x %}\n{% endset %}[{{ x }}]","{% set x = 1 %}\n\n{{ x }}","{#\n#}\n\nx","  {# a #}  \n x","{% if t -%}\n  a\n{%- endif %}\n","{{- '\n' -}} x","{%- set x = 1 -%}\n\n x","{% if t %}{% endif %}\n\n","\x0c{% if t %}\x0c{% endif %}","\u2028{%- if t %}a{% endif %}","  {%- raw %} a {% endraw -%}  b","{% raw %}{% endraw %}","{% raw %}{% raw %}{% endraw %}","{%raw%}x{%endraw%}","{% raw +%}x{% endraw %}","{% raw -%}  x {% endraw %}","{% raw %}unclosed","{% endraw %}","{#","{# #","#}","%}","}}","{{","{%","{","{ {","{{}}","{%%}","{{ }}","{% %}","{{{}}}","{{ {} }}","{{ { } }}","{{-}}","{{--1}}","{{ -1 }}","{{+1}}","{{ +1 }}","{{1+}}","{{ 1 -}} x","{{ 1 +}} x","{{ 'a' }}{{ \"b\" }}","{{ 'a\\'b' }}","{{ \"a\\\"b\" }}","{{ '\\x41\\u00e9\\U0001F600\\101\\7' }}","{{ '\\q\\ \\é' }}","{{ '\\xg' }}","{{ '\\u12' }}","{{ '\\U00110000' }}","{{ '\\400' }}","{{ '\\\\' }}","{{ 'é'\n'b' }}","{{ 'a' \"b\" 'c' }}","{{ 'a' ~ 'b' 'c' }}","{{ '{{' }}","{{ '}}' }}","{{ '%}' }}","{% if '%}' %}x{% endif %}","{{ '#}' }}","{# {{ x }} #}y","{# '#} ' #}","{{ \"}}\" }}"]: add(s)
for n in ["0","00","007","0x1F","0XfF","0b101","0B1","0o17","0O7","1_000","1__0","1_","_1","0x_1","0_0","1.5","1.","1.5e3","1e5","1E-5","1.5_5","1_0.5","1e1_0",".5","1.e5","0.0","00.5","1.5.5","12345678901234567890","0x","0b2","1e400","1e-400","1_0e1_0","9"*4300,"9"*4301,"1.upper","1 .real","5.real","d.b.real","l.0","l.0.real","nested.x.1.z","l.00"]: add("{{ "+n+" }}")
for e in ["1 if t","1 if f","1 if t else 2","(1 if f)|default('d')","1 if f else 2 if t else 3","'a' if t and f else 'b'","not t","not not t","t and f or t","t or f and f","not t or t","not (t and f)","1 < 2 > 1","1 < 2 < 1","1 == 1 == 1","1 in [1] in [[1]]","1 not in [2]","not 1 in [1]","-2 ** 2","2 ** 3 ** 2","2 ** -1","-1 ** 2","(-1) ** 2","2 * 3 + 4 * 5","1 + 2 ~ 3 + 4","1 ~ 2 * 3","'a' ~ 'b' * 2","5 - 3 - 1","7 // 2 * 2","7 % 4 % 2","2 + 3|string|length","-5|abs","(-5)|abs","- 5|abs + 1","1 is odd","1 is not odd","not 1 is odd","1 is odd and 2 is even","4 is divisibleby 2 + 1","4 is divisibleby(2) and t","'a' is in 'abc'","'a' is in ['a']","1 is in [1]","x is defined","x is not defined","x is defined and x","1 is sameas 1","t is sameas true","none is none","n is none and t","1 is eq 1 and 2 is ne 3","l is iterable and l is sequence","1 is lt 2","1 is integer is boolean","5 is in(range(9))","s is string and s is upper","(s is string)|string","s|upper is upper","s|upper|lower is lower","'x' in s and 'H' in s","'a' in d","'z' not in d","l|length > 2","l|length == 3 and s|length == 11","l[0] + l[1]","l[l|length - 1]","l[-1:]","l[:1] + l[1:]","l[1:2]","l[::2]","l[10:]","l[-10:2]","l[::0]","l['0']","l[1.0]","l[true]","s[0]","s[-1]","s[1:3]","s[:]","s[::]","s[::-1]","s[5:1:-1]","d['a']","d.a","d['b'] + d.a","d.get('a', 1)","ms[0].role","ms[0]['role']","ms[0].nope","ms[0].nope.nope","ms[9]","ms[9].x","ms.role","(1,2)[0]","(1,2,3)[1:]","[1,2][0]","{'a':1}.a","{'a':1}['a']","{'a':{'b':2}}.a.b","{'a':1,'a':2}","{1:'a',true:'b',1.0:'c'}","{none:1,'none':2}","{(1,2):3}","{[1]:2}","{'a':1,}","{,}","[,]","(,)","(1,)","(1)","()","[]","[1,]","[1,,2]","1,2,","1,","(1,2) + (3,)","[1] * 2","2 * [1]","'a' * 0","'a' * -1","'ab' * 2.0","[1] + (2,)","d == d","l == [3,1,2]","(1,2) == [1,2]","1 == 1.0","1 == true","'1' == 1","none == false","undef == none","undef == undef","undef != 1","[] == []","{} == {}","{'a':1} == {'a':1.0}","1 < 'a'","'a' < 1","none < 1","[1] < [2]","[1,2] < [1]","(1,'a') < (1,'b')","(1,'a') < (1,2)","{} < {}","t < f","t + t","t * 5","1.5 + 1","1 / 2","4 / 2","1 // 0","1 / 0","1 % 0","1.0 // 0","1.5 % 0","0 ** 0","0 ** -1","2 ** 0.5","10 ** 20","10 ** 20 // 3","-7 // 2","-7 % 3","7 % -3","-7.5 // 2","-7.5 % 2","7.5 % -2","1e308 * 10","2 ** 1024 * 1.0","2 ** 1024 / 2","2 ** 2000 / 2 ** 1990","10 ** 400","(10 ** 400)|string|length","(10**30) % 7","-(10**30) // 7","10**30 == 1e30","10**15 == 1e15","9007199254740993 == 9007199254740992.0","9007199254740993 > 9007199254740992.0","0.1 + 0.2","1e16","1e15","123456789012345680.0","1e-5","0.0001","1.0","100.0","1e100","-1e-10","3.0 * 2","7.0 // 2","2.0 ** 3","5 // 2.0","1_000.5","'a' 'b'|upper","'a'|upper 'b'","('a' 'b')|upper","x.y","x['y']","x()","x.y()","x|upper","s.upper()","s.upper().lower()","s.upper|string|length > 10","s|upper()","s|replace('o','0')|upper","s|default","s | upper | lower","s|  upper","s|upper.foo","s|","|upper","s is","is s","s is foo.bar","(s","s)","[s","s]","{s","s}","s.","s..a","s.1a","s[","s[]","s[1,2]","d[1,2]","{(1,2):3}[1,2]","l[1:2,3]","l[1:2:3:4]","f(","s.upper(","s.upper(,)","s.replace('a',)","dict(a=1,)","dict(a=1,a=2)","dict(a=1,**{'b':2})","dict(**{'b':2})","dict(**{'b':2},a=1)","dict(a=1,**{'a':2})","dict(*[[('a',1)]])","range(*[3])|list","range(*(1,3))|list","range(*'ab')","dict(**5)","dict(**{1:2})","dict(*5)","f(*a,*b)","f(1,a=2,3)","f(**a,*b)","f(*a,b)","lipsum is defined","range is callable","dict is callable","cycler is callable","true","True","TRUE","none","None","null","nil","true.real","false|int","not","and","or","if","in","is","else","for","not in","a b","a = 1","a == ","== a","a ! b","a & b","a ^ b","a @ b","a ? b","a; b","a := 1","$a","`a`","a\\b","é","日本","a·b","²","a²","_","__","_a","self","loop","super","caller","varargs","kwargs","self.x","loop.index","super()","caller()","messages","tools","documents","add_generation_prompt","bos_token","eos_token|length"]: add("{{ "+e+" }}")
for e in ["x","(x)","x,","x,y","(x,y)","x.y","1","'a'","true","x[0]","x()","x|upper","[x]","{x:1}","x+y","-x","none","x y","","ns.a","ns.a.b","ns['a']","self","loop","caller","messages","_","range","x, (y, z)","x, y, z","(x, y), z"]:
    add("{% set "+e+" = 1 %}ok{{ x }}"); add("{% set "+e+" = (1,2) %}{{ x }}{{ y }}"); add("{% set "+e+" = (1,(2,3)) %}{{ x }}{{ y }}{{ z }}"); add("{% set "+e+" %}B{% endset %}{{ x }}"); add("{% for "+e+" in [(1,2)] %}{{ x }}{{ y }}{% endfor %}"); add("{% with "+e+" = (1,2) %}{{ x }}{{ y }}{% endwith %}"); add("{% macro "+e+"() %}{% endmacro %}{{ x is defined }}"); add("{% macro m("+e+") %}{{ x }}{% endmacro %}{{ m(1) }}")
    add("{% set ns = namespace(a=0) %}{% set "+e+" = 1 %}{{ ns.a }}")
X=r"""{% for x in l %}{{ x }}{% if loop.index == 2 %}{% break %}{% endif %}{% endfor %}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% else %}E{% endfor %}
{% for x in l %}{% break %}{% else %}E{% endfor %}
{% break %}
{% for x in l %}{% endfor %}{% continue %}
{% for x in l %}{% else %}{% break %}{% endfor %}
{% for y in l %}{% for x in [] %}{% else %}{% break %}{% endfor %}{{ y }}{% endfor %}
{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}
{% for x in l %}{% call f() %}{% break %}{% endcall %}{% endfor %}
{% for x in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}
{% for x in l %}{% filter upper %}a{% break %}{% endfilter %}{% endfor %}|
{% for x in l %}{% set z %}a{% break %}{% endset %}{% endfor %}|
{% for x in l %}{% with a = 1 %}{{ a }}{% continue %}{% endwith %}{% endfor %}|
{% for x in l recursive %}{% break %}{% endfor %}|
{% for x in [[1,[2]],3] recursive %}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}:{{ loop.depth }}{{ loop.depth0 }}{% endif %}{% endfor %}
{% for x in [1,2] recursive %}{{ loop([]) if x == 1 }}{{ x }}{% else %}E{% endfor %}
{% for x in [1,2] %}{{ loop([]) }}{% endfor %}
{% for x in l if x > 1 recursive %}{{ x }}{% endfor %}
{% for x in l if loop.first %}{{ x }}{% endfor %}
{% for x in l if x in [1,2] %}{{ loop.index }}/{{ loop.length }}{{ loop.last }}{% endfor %}
{% for x in l|select('odd') %}{{ loop.index }}{{ loop.last }}{{ loop.revindex }}{% endfor %}
{% for x in l|map('string') %}{{ loop.length }}{{ x }}{% endfor %}
{% for x in l|map('string') %}{{ x }}{{ loop.nextitem }}{{ loop.length }}{% endfor %}
{% for x in l %}{{ loop.cycle('a','b') }}{% endfor %}
{% for x in l %}{{ loop.cycle() }}{% endfor %}
{% for x in [1,1,2] %}{{ loop.changed(x) }}{% endfor %}
{% for x in [1,1,2] %}{{ loop.changed() }}{% endfor %}
{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{{ loop.previtem }}{% endfor %}
{% for x in l %}{{ loop.foo }}{% endfor %}
{% for x in l %}{{ loop.foo.bar }}{% endfor %}
{% for x in l %}{{ loop }}{% endfor %}
{% for x in l %}{{ loop|length }}{{ loop is iterable }}{{ loop is callable }}{% endfor %}
{% for x in l %}{% for a, b in loop %}{{ a }}{% endfor %}{% endfor %}
{% for x in l %}{{ loop.index0 }}{{ loop.revindex0 }}{% endfor %}
{% for x in l %}{% set outer = loop %}{% for y in ls %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% for k, v in d.items() %}{{ k }}{{ v }}{{ loop.last }}{% endfor %}
{% for k, v in d.items() if v > 1 %}{{ k }}{{ v }}{{ loop.length }}{% endfor %}
{% for k in d %}{{ k }}{{ d[k] }}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for x in undef %}a{% else %}b{% endfor %}
{% for x in undef.y %}a{% endfor %}
{% for x in 'abc' %}{{ x }}-{% endfor %}
{% for x in (1,2) %}{{ x }}{% endfor %}
{% for x in 1,2 %}{{ x }}{% endfor %}
{% for x in {'a':1} %}{{ x }}{% endfor %}
{% for x in range(3) if x %}{{ x }}{% endfor %}
{% for x in l if x > 1 if x < 3 %}{{ x }}{% endfor %}
{% for x in l if t else [] %}{{ x }}{% endfor %}
{% for x in (l if t else []) %}{{ x }}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{% for a, b in [(1,2,3)] %}{% endfor %}
{% for a in [(1,2)] %}{{ a }}{% endfor %}
{% for a, b in ['xy'] %}{{ a }}{{ b }}{% endfor %}
{% for a, b in [{'k':1,'j':2}] %}{{ a }}{{ b }}{% endfor %}
{% for in l %}{% endfor %}
{% for x l %}{% endfor %}
{% for x in %}{% endfor %}
{% for x in l %}
{% for x in l %}{% endif %}
{% for x in l %}{% else %}{% else %}{% endfor %}
{% for loop in l %}{% endfor %}
{% for x in l %}{% set loop = 1 %}{% endfor %}
{% set loop = 5 %}{% for x in l %}{{ loop.index }}{% endfor %}{{ loop }}
{% for x in l %}{{ x }}{% endfor %}{{ x }}
{% set x = 9 %}{% for x in l %}{{ x }}{% endfor %}{{ x }}
{% for x in l %}{% if x == 3 %}{% set q = x %}{% endif %}{{ q }}{% endfor %}
{% set q = 0 %}{% for x in l %}{% if x == 3 %}{% set q = x %}{% endif %}{{ q }}{% endfor %}{{ q }}
{% if t %}{% set q = 1 %}{% endif %}{{ q }}
{% if f %}{% set q = 1 %}{% endif %}{{ q }}
{% if f %}{% set q = 1 %}{% else %}{% set q = 2 %}{% endif %}{{ q }}
{% if f %}{% set s = 1 %}{% endif %}{{ s }}
{% if t %}{% set s = 1 %}{% endif %}{{ s }}
{{ s }}{% set s = 1 %}{{ s }}
{% for x in l %}{{ s }}{% set s = x %}{{ s }}{% endfor %}{{ s }}
{% for x in l %}{{ zz }}{% set zz = x %}{{ zz }}{% endfor %}{{ zz }}
{% set zz = 0 %}{% for x in l %}{% set zz = zz + x %}{{ zz }}{% endfor %}{{ zz }}
{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}
{% with a = 1, b = a %}{{ b }}{% endwith %}
{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% with a = 1 %}{% with b = a %}{{ b }}{% endwith %}{% endwith %}
{% with a, b = (1,2) %}{{ a }}{{ b }}{% endwith %}
{% with a = 1 b = 2 %}{% endwith %}
{% with a %}{% endwith %}
{% with a = %}{% endwith %}
{% macro m(a, b='B', c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m() }}|{{ m(1) }}|{{ m(1,2) }}|{{ m(1,c=3) }}|{{ m(b=2,a=1) }}
{% macro m(a, b) %}{{ a }}{{ b is defined }}{% endmacro %}{{ m(1,2,3) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}
{% macro m(a) %}{{ a }}{{ varargs }}{% endmacro %}{{ m(1,2,3) }}
{% macro m(a) %}{{ a }}{{ kwargs }}{% endmacro %}{{ m(1,x=2,y=3) }}
{% macro m(a) %}{{ kwargs.x }}{{ varargs|length }}{% endmacro %}{{ m(1,2,x=2) }}
{% macro m(varargs) %}{{ varargs }}{% endmacro %}{{ m(1) }}
{% macro m(kwargs) %}{{ kwargs }}{% endmacro %}{{ m(1) }}
{% macro m(caller) %}{{ caller() }}{% endmacro %}{% call m() %}x{% endcall %}
{% macro m(caller=none) %}{{ caller() if caller else 'N' }}{% endmacro %}{% call m() %}x{% endcall %}{{ m() }}
{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}
{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}
{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}{% call m() %}y{% endcall %}
{% macro m() %}{{ caller(1, b=2) }}{% endmacro %}{% call(a, b=3) m() %}{{ a }}{{ b }}{% endcall %}
{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a) m() %}{{ a }}{{ varargs }}{% endcall %}
{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a) m() %}{{ a }}{% endcall %}
{% macro o() %}{% call i() %}{{ caller() }}{% endcall %}{% endmacro %}{% macro i() %}[{{ caller() }}]{% endmacro %}{% call o() %}x{% endcall %}
{% macro m(x) %}{% if x > 0 %}{{ x }}{{ m(x-1) }}{% endif %}{% endmacro %}{{ m(5) }}
{% macro m(x) %}{% if x > 0 %}{{ m(x-1) }}{% endif %}{{ x }}{% endmacro %}{{ m(60) }}
{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}
{{ a() }}{% macro a() %}A{% endmacro %}
{% if t %}{% macro a() %}A{% endmacro %}{% endif %}{{ a() }}
{% for x in l %}{% macro a() %}{{ x }}{% endmacro %}{{ a() }}{% endfor %}
{% for x in l %}{% macro a() %}{{ x }}{% endmacro %}{% endfor %}{{ a is defined }}
{% set ns = namespace() %}{% for x in l %}{% macro a() %}{{ x }}{% endmacro %}{% set ns.m = a %}{% endfor %}{{ ns.m() }}
{% macro a() %}{% macro b() %}B{% endmacro %}{{ b() }}{% endmacro %}{{ a() }}
{% macro a(x) %}{% macro b() %}{{ x }}{% endmacro %}{{ b() }}{% endmacro %}{{ a(7) }}
{% set x = 1 %}{% macro a() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ a() }}
{% macro a() %}{% set s = 3 %}{{ s }}{% endmacro %}{{ a() }}{{ s }}
{% macro a() %}{{ s }}{% endmacro %}{{ a() }}
{% macro a() %}{{ loop }}{% endmacro %}{% for x in l %}{{ a() }}{% endfor %}
{% macro a() %}{{ x is defined }}{% endmacro %}{% for x in l %}{{ a() }}{% endfor %}
{% macro m(a=undef) %}{{ a is defined }}{% endmacro %}{{ m() }}
{% macro m(a, a) %}{% endmacro %}
{% macro m(a=1, b) %}{% endmacro %}
{% macro m(*a) %}{% endmacro %}
{% macro m %}{% endmacro %}
{% macro m() %}{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.catch_varargs }}{{ m.caller }}
{% macro m(a,b) %}{% endmacro %}{{ m.arguments }}{{ m|string }}{{ m is callable }}
{% call undef() %}x{% endcall %}
{% call s.upper() %}x{% endcall %}
{% call x %}{% endcall %}
{% call(1) m() %}{% endcall %}
{% filter upper %}a{{ s }}{% endfilter %}
{% filter upper|lower|title %}a b{% endfilter %}
{% filter replace('a','b') %}aaa{% endfilter %}
{% filter length %}abc{% endfilter %}
{% filter nope %}abc{% endfilter %}
{% filter %}abc{% endfilter %}
{% filter indent(2) %}a
b{% endfilter %}
{% filter trim %} {% set x = 1 %}{{ x }} {% endfilter %}{{ x }}
{% set x | upper %}abc{% endset %}{{ x }}
{% set x | length %}abc{% endset %}{{ x + 1 }}
{% set x | replace('a', s) | upper %}abc{% endset %}{{ x }}
{% set x | default(qq) %}abc{% endset %}{{ x }}
{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y }}
{% set x %}{% for i in l %}{{ i }}{% endfor %}{% endset %}{{ x }}
{% set x = 1 %}{% set x %}{{ x }}{% endset %}{{ x }}
{% set x, y %}a{% endset %}{{ x }}
{% set x, y %}ab{% endset %}{{ x }}{{ y }}
{% set ns = namespace() %}{% set ns.x %}abc{% endset %}{{ ns.x }}
{% set ns = namespace(a=1, b=[]) %}{{ ns.a }}{{ ns.b }}{{ ns.c }}|{{ ns.c is defined }}
{% set ns = namespace({'a':1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns }}
{% set ns = namespace([('a',1)]) %}{{ ns.a }}
{% set ns = namespace(1) %}
{% set ns = namespace() %}{% set ns._x = 1 %}{{ ns._x }}|
{% set ns = namespace(items=5) %}{{ ns.items }}{{ ns['items'] }}
{% set ns = namespace(a=1) %}{{ ns['a'] }}{{ ns|attr('a') }}{{ ns == ns }}{{ ns is mapping }}{{ ns is iterable }}
{% set undef.x = 1 %}
{% set ns = namespace() %}{% macro m() %}{% set ns.x = 5 %}{% endmacro %}{{ m() }}{{ ns.x }}
{% if t %}a{% elif f %}b{% else %}c{% endif %}
{% if f %}a{% elif t %}b{% else %}c{% endif %}
{% if f %}a{% elif f %}b{% elif f %}b2{% else %}c{% endif %}
{% if %}a{% endif %}
{% if t %}a{% else if t %}b{% endif %}
{% if t %}a{% elseif t %}b{% endif %}
{% if t: %}a{% endif %}
{% for x in l: %}{{ x }}{% endfor %}
{% if 1, 2 %}a{% endif %}
{% if x = 1 %}a{% endif %}
{% if f %}{{ 'a'|nope }}{% endif %}ok
{% if t %}{{ 'a'|nope }}{% endif %}ok
{% if f %}{{ 'a' is nope }}{% endif %}ok
{% if f %}{% for x in l %}{{ x|nope }}{% endfor %}{% endif %}ok
{{ 'a'|nope if f else 'b' }}
{{ 'b' if t else 'a'|nope }}
{% for x in [] %}{{ x|nope }}{% endfor %}
{% macro m() %}{{ x|nope }}{% endmacro %}ok
{% print 1 %}{% print 1, 2 %}{% print %}
{% block a %}A{% endblock %}{{ self.a() }}
{% block a %}A{{ x }}{% endblock %}{% set x = 1 %}{{ self.a() }}
{% set x = 1 %}{% block a %}{{ x }}{% endblock %}
{% for x in l %}{% block a %}{{ x }}{% endblock %}{% endfor %}
{% for x in l %}{% block a scoped %}{{ x }}{{ loop.index }}{% endblock %}{% endfor %}
{% block a %}{% block b %}B{% endblock %}{% endblock b %}
{% block a %}{% block b %}B{% endblock b %}A{% endblock a %}{{ self.b() }}
{% block a %}{% endblock %}{% block a %}{% endblock %}
{% block a %}{{ super() }}{% endblock %}
{% block a required %}{% endblock %}
{% block a-b %}{% endblock %}
{% block a %}{% set x = 1 %}{{ x }}{% endblock %}{{ x }}
{{ self }}
{{ self.nope }}
{{ self.nope() }}
{% block a %}{{ self.b() }}{% endblock %}{% block b %}B{% endblock %}
{% include 'x' %}
{% include 'x' ignore missing %}
{% import 'x' as y %}
{% from 'x' import y %}
{% extends 'x' %}
{% autoescape true %}{{ '<' }}{{ '<'|safe }}{{ s ~ '<' }}{{ ('<'|safe) ~ '<' }}{{ ['<']|join }}{{ '<'|upper }}{{ 1 }}{{ none }}{% endautoescape %}{{ '<' }}
{% autoescape t %}{{ '<' }}{% set x %}<{% endset %}{{ x }}{% macro m() %}<{% endmacro %}{{ m() }}{% endautoescape %}{{ x }}{{ m() }}
{% autoescape true %}{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m('<') }}{% call m('x') %}{% endcall %}{% endautoescape %}
{% macro m(a) %}<{{ a }}>{% endmacro %}{% autoescape true %}{{ m('<') }}{% endautoescape %}
{% autoescape true %}{{ '<a>'|replace('a', '<') }}{{ ('<a>'|safe)|replace('a', '<') }}{{ ['<', '>'|safe]|join('&') }}{% filter upper %}<{% endfilter %}{% endautoescape %}
{% autoescape true %}{{ {'a':'<'}|xmlattr }}{{ 'http://x.com'|urlize }}{{ '<'|e }}{{ '<'|forceescape }}{{ d|tojson }}{{ '%s'|format('<') }}{% endautoescape %}
{% autoescape false %}{{ '<' }}{% endautoescape %}
{% autoescape %}{% endautoescape %}
{% autoescape true %}{% for x in ['<'] recursive %}{{ x }}{{ loop([]) }}{% endfor %}{% block q %}<{{ '<' }}{% endblock %}{{ self.q() }}{% endautoescape %}
{% generation %}a{{ s }}{% endgeneration %}
{% generation x %}a{% endgeneration %}
{% generation %}
{% generation %}{% generation %}x{% endgeneration %}{% endgeneration %}
{% for x in l %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}
{% set c = cycler('a','b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}{{ c.pos }}{{ c.items }}
{% set j = joiner() %}{{ j() }}a{{ j() }}b{{ j() }}
{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j.sep }}{{ j.used }}
{{ cycler() }}
{{ joiner(1,2) }}
{{ range(3) }}{{ range(1,9,3)|list }}{{ range(5,0,-1)|list }}{{ range(0)|list }}{{ range(3)[1] }}{{ range(3)[-1] }}{{ range(9)[2:5] }}
{{ range(100000)|length }}
{{ range(100001)|length }}
{{ range(1,2,0) }}
{{ range('a') }}
{{ range() }}
{{ range(1,2,3,4) }}
{{ range(undef) }}
{{ dict(a=1)|tojson }}{{ dict([('a',1),['b',2]]) }}{{ dict({'a':1}, a=2) }}{{ dict('ab') }}
{{ dict(['ab','cd']) }}
{{ dict(1) }}
{{ lipsum(html=false)|length > 10 }}{{ lipsum(0) }}
{{ strftime_now() }}
{{ strftime_now(1) }}
{{ strftime_now('é %d') }}
{{ raise_exception() }}
{{ raise_exception('a','b') }}
{% set l2 = [1,2,3] %}{{ l2.pop() }}{{ l2 }}{{ l2.pop(0) }}{{ l2 }}{{ l2.clear() }}{{ l2 }}
{{ ms.pop() }}{{ ms|length }}
{% set _ = ms.pop(0) %}{% for m in ms %}{{ m.role }}{{ loop.index }}{% endfor %}
{% set x = [1] %}{% set y = x %}{{ x.pop() }}{{ y }}
{% set g = l|map('string') %}{{ g|list }}{{ g|list }}
{% set g = l|select %}{% for x in g %}{{ x }}{% endfor %}{% for x in g %}{{ x }}{% endfor %}{{ g is iterable }}{{ g is sequence }}{{ g is defined }}
{{ (l|map('string'))|first }}
{{ (l|map('string'))|last }}
{{ (l|map('string'))|length }}
{{ (l|map('string'))[0] }}|
{{ (l|map('string'))|join(',') }}
{{ (l|map('string')) in [1] }}{{ '3' in (l|map('string')) }}
{{ l|map('nope') is defined }}
{{ []|map('nope')|list }}
{{ l|groupby(0) }}
{% for g in ms|groupby('role') %}{{ g.grouper }}{{ g.list|length }}{{ g[0] }}{% endfor %}
{% for r, i in ms|groupby('role') %}{{ r }}{{ i|map(attribute='n')|list }}{% endfor %}
{{ ms|groupby('zz', default='D')|length }}
{{ ms|groupby('zz') }}
{{ ['B','a','b','A']|groupby('lower') }}
{{ [{'k':'B'},{'k':'b'},{'k':'a'}]|groupby('k') }}
{{ [{'k':'B'},{'k':'b'},{'k':'a'}]|groupby('k', case_sensitive=true) }}
{{ ms|map(attribute='role')|unique|list }}{{ ms|sum('n') }}{{ ms|sum(attribute='n', start=10) }}
{{ ms|map(attribute='nope')|list }}
{{ ms|map(attribute='nope', default='D')|list }}
{{ ms|map(attribute='content.0')|list }}
{{ ms|map('attr','role')|list }}
{{ [[1,2],[3,4]]|map(attribute=1)|list }}{{ [[1,2],[3,4]]|map('sum')|list }}{{ [[1,2],[3,4]]|map('join','-')|list }}
{{ ['a','b']|map('replace','a','c')|list }}{{ ['a']|map('default','x',true)|list }}{{ ['1','2']|map('int')|sum }}
{{ ms|selectattr('role','in',['user'])|map(attribute='n')|list }}{{ ms|rejectattr('content')|list|length }}
{{ ms|selectattr('content','string')|list|length }}{{ ms|selectattr('content','ne','')|list|length }}
{{ ''|default('a') }}{{ ''|default('a', true) }}{{ undef|default(undef2)|default('z') }}{{ undef.x|default('a') }}
{{ undef|default(1) + 1 }}{{ none|default(1) }}{{ d.q|default('q') }}{{ d.q.z|default('q') }}
{{ {'a':{'b':[1,{'c':2}]}}|tojson }}{{ {'a':{'b':[1,{'c':2}]}}|tojson(indent=4) }}
{{ {'b':1,'a':2}|tojson(sort_keys=true, indent=2) }}{{ [1,[2,[3]]]|tojson(indent=1) }}{{ []|tojson(indent=2) }}
{{ {'é':'é\u2028</script>'}|tojson }}{{ {'é':'é'}|tojson(ensure_ascii=true) }}{{ "\"\\\n\t\r\b\f/"|tojson }}
{{ {1:1,none:2,true:3,1.5:4}|tojson }}{{ {(1,2):3}|tojson }}
{{ 1e400|tojson }}{{ (1e400-1e400)|tojson }}{{ 1.0|tojson }}{{ 1e16|tojson }}{{ -0.0|tojson }}{{ 10**30|tojson }}
{{ d|tojson(indent=true) }}{{ d|tojson(indent=-1) }}{{ d|tojson(indent='--') }}{{ d|tojson(indent=1.5) }}
{{ d|tojson(separators=(',',)) }}
{{ d|tojson(separators=('\n',' = '),indent=0) }}
{{ d|tojson(foo=1) }}
{{ d|tojson(1,2,3,4,5) }}
{{ undef|tojson }}
{{ '%s' | format(undef) }}{{ '%d items'|format(3) }}{{ '%(a)s'|format(a=1) }}{{ '%s %s'|format(1) }}
{{ 'a b c'|truncate(3, true, '') }}{{ 'foo bar baz qux'|truncate(9) }}{{ 'foo bar baz qux'|truncate(9, true) }}{{ 'foo bar baz qux'|truncate(11) }}{{ 'foo bar baz qux'|truncate(9, false, '...', 0) }}
{{ 'hello-world foo_bar (baz) [q] <x>'|title }}{{ "it's o'neil"|title }}{{ 'ΑΣ ΑΣ'|lower }}{{ 'ǆabc'|capitalize }}{{ 'ß'|upper }}{{ 'İ'|lower|length }}{{ 'ŉ'|title }}{{ 'ﬁ'.title() }}{{ 'ß'.swapcase() }}{{ 'ẞ'.casefold() }}
{{ 'the quick brown fox jumps-over the lazy-dog--really and-so-on'|wordwrap(10) }}
{{ 'averyveryverylongword x'|wordwrap(5) }}{{ 'a-b-c-d-e-f-g-h'|wordwrap(5, break_on_hyphens=false) }}{{ 'x\n\ny   z'|wordwrap(3) }}{{ 'aaa bbb'|wordwrap(0) }}
{{ 'See http://a.com, (www.b.org) mailto:x@y.zz me@x.co.uk https://a.b/c?d=e&f#g. ftp://x.y http://1.2.3.4:80/ http://[::1]/ x.com a.b <http://q.io>'|urlize }}
{{ 'http://example.com/a/very/long/path'|urlize(15, true, '_blank', 'x y') }}{{ 'foo:bar tel:123'|urlize(extra_schemes=['tel:']) }}{{ 'x'|urlize(extra_schemes=['a']) }}
{{ {'a':1,'b':none,'c':undef,'d':'<"'}|xmlattr }}{{ {'a b':1}|xmlattr }}
{{ 'a/b c&d=é'|urlencode }}{{ {'a b':'c/d','e':1}|urlencode }}{{ [('a',1),('b','ü')]|urlencode }}{{ 5|urlencode }}{{ none|urlencode }}
{{ [{'a':'x'*30,'b':'y'*30,'c':'z'*30}]|pprint }}
{{ ('word '*40)|pprint }}
{{ {'key':('word '*20), 'list':range(40)|list}|pprint }}{{ ['a\nb'*20]|pprint }}
{{ {'b':1,'a':[1,2,{'z':1,'y':2}]}|pprint }}{{ (1,)|pprint }}{{ {2:1,'a':2,1:3}|pprint }}
{{ 1|filesizeformat }}{{ 0|filesizeformat }}{{ 999|filesizeformat }}{{ 1000|filesizeformat }}{{ 1024|filesizeformat(true) }}{{ 1e30|filesizeformat }}{{ '12'|filesizeformat }}{{ -5000|filesizeformat }}{{ 1.5|filesizeformat }}
{{ 2.5|round }}{{ 3.5|round }}{{ -2.5|round }}{{ 2.675|round(2) }}{{ 1234.5|round(-2) }}{{ 1250|round(-2) }}{{ 1350|round(-2) }}{{ 25|round(-1) }}{{ 35|round(-1) }}{{ 5|round(-1) }}{{ 15.0|round(-1) }}{{ 0.5|round }}{{ 1.5|round(0,'floor') }}{{ 42.55|round(1,'floor') }}{{ 42.55|round(1,'ceil') }}{{ 42|round(1,'ceil') }}{{ 1e300|round(2) }}{{ 7|round }}
{{ '0b11'|int(0,2) }}{{ '0o17'|int(0,8) }}{{ 'ff'|int(0,16) }}{{ 'z'|int(0,36) }}{{ '0x1f'|int }}{{ '0x1f'|int(base=0) }}{{ ' 12 '|int }}{{ '+5'|int }}{{ '1e3'|int }}{{ '٣'|int }}{{ '1__0'|int }}{{ '3.99'|int }}{{ 'inf'|int(7) }}
{{ 'nan'|int(7) }}{{ true|int }}{{ 3.99|int }}{{ -3.99|int }}{{ none|int(5) }}{{ []|int }}{{ '12'|int(base=99) }}
{{ '1e400'|float }}{{ 'nan'|float }}{{ ' -inf '|float }}{{ '1_0.5'|float }}{{ '.5'|float }}{{ '5.'|float }}{{ 'x'|float }}{{ true|float }}{{ 10**20|float }}{{ 'infinity'|float }}{{ '1e5'|float }}
{{ l|batch(2,'x')|list }}{{ l|slice(2)|list }}{{ range(10)|slice(3,'x')|map('list')|list }}{{ 'abcde'|batch(2)|map('join')|list }}
{{ l|sort|join }}{{ ls|sort }}{{ ls|sort(true) }}{{ ['a10','a9']|sort }}{{ [1,'a']|sort }}{{ [none]|sort }}{{ [none,none]|sort }}{{ [undef,undef]|sort }}{{ [[2],[1]]|sort }}{{ d|sort }}
{{ [none,1]|sort }}
{{ [{'a':2,'b':1},{'a':1,'b':2}]|sort(attribute='a')|map(attribute='b')|list }}{{ [{'a':1,'b':2},{'a':1,'b':1}]|sort(attribute='a,b')|map(attribute='b')|list }}{{ [{'a':1},{}]|sort(attribute='a') }}
{{ []|min }}{{ []|max }}{{ ['b','A']|min }}{{ ['b','A']|max(true) }}{{ [none,1]|max }}
{{ ''.__class__ }}|{{ s.__len__ }}|{{ s['__class__'] }}|{{ d.__class__ }}|{{ d.__foo__ }}|{{ undef.__class__ }}|{{ s._x }}|{{ {'_x':1}._x }}|{{ {'__class__':1}.__class__ }}|{{ {'__class__':1}['__class__'] }}
{{ undef.__foo__ }}
{{ ''.__class__.__base__ }}
{{ s.__class__() }}
{{ l.append }}|{{ d.update }}|{{ l['append'] }}|{{ l.append is defined }}
{{ d.items.__name__ }}
{{ s.format.x }}
{{ undef._undefined_name }}|{{ undef._x }}
{{ range.__code__ }}|{{ dict.__name__ }}|{{ dict.x }}|{{ range.x }}
{{ (1).__add__ }}|{{ (1.5).real }}|{{ true.real }}|{{ none.x }}|{{ none.x.y }}
{{ 'a'.join }}|x
{{ loop is defined }}{{ caller is defined }}{{ self is defined }}
{% macro m() %}{{ m.name }}{% endmacro %}{{ m() }}
{% set x = {'a': 1} %}{% set x.a = 2 %}
{% set a = b = 1 %}
{% set a 1 %}
{% set %}
{% set a = %}
{% set 1 = a %}
{% set a = 1, 2 %}{{ a }}
{% set a = 1 if f %}{{ a }}|{{ a is defined }}
{% set a = [1,2,3] %}{% set b = a[1:] %}{{ b }}
{% set (a, b) = 'xy' %}{{ a }}{{ b }}
{% set a, b = [1] %}
{% set a, b = 1 %}
{% endset %}{% endfor %}
{% if t %}{% for x in l %}{% endif %}{% endfor %}
{% else %}
{% elif t %}
{% unknown %}
{% 1 %}
{% "a" %}
{%if t%}a{%endif%}
{% if t %}{{ "}}" }}{% endif %}
{{ l|join(', ') }}{{ l|join(', ', attribute='x') }}{{ [1,none,undef,'a']|join('-') }}{{ d|join }}{{ undef|join }}{{ 'abc'|join(1) }}
{{ 'a' if undef else 'b' }}{{ undef and 1 }}|{{ undef or 1 }}|{{ not undef }}
{{ undef ~ 'a' }}{{ undef|string }}{{ undef|length }}{{ undef|list }}{{ undef|upper }}{{ undef|e }}{{ undef == '' }}{{ [undef] }}{{ {'a':undef} }}{{ undef is none }}{{ undef|bool }}
{{ -undef }}
{{ undef[0] }}
{{ undef() }}
{{ undef + 1 }}
{{ 1 + undef }}
{{ undef|int }}
{{ undef|float }}
{{ undef|abs }}
{{ undef|round }}
{{ undef|items|list }}{{ undef|first }}{{ undef|last }}{{ undef|sum }}{{ undef|sort }}{{ undef|unique|list }}{{ undef|map('upper')|list }}{{ undef|reverse|list }}{{ undef|min }}{{ undef|batch(2)|list }}
{{ undef|dictsort }}
{{ undef|tojson }}
{{ undef|random }}
{{ undef in l }}{{ undef in [undef] }}{{ 'a' in undef }}
{{ undef in 'abc' }}
{{ undef in d }}{{ {undef: 1} }}
{{ undef < 1 }}
{{ undef is lt 1 }}
{{ undef is divisibleby 2 }}
{{ 'a' * undef }}
{{ '%d' % undef }}
{{ '%s' % undef }}{{ '%s' % [1,2] }}{{ '%s' % (1,) }}{{ '%r' % 'a' }}{{ 'x' % () }}{{ 'x' % {} }}{{ 'x' % [] }}{{ 'x' % undef }}
{{ 'x' % 1 }}
{{ 'x' % 'y' }}"""
for line in X.split('\n'): add(line)
for c in "aAbBcCdDeFgGhHIjklmMnNpPrRsStTuUVwWxXyYzZ%QqJ+fiOEL:":
    add("{{ strftime_now('[%"+c+"]') }}")
for fl in ["-","_","0","^","#"]:
    for c in "dHIjmMSyYebBapeklUwC": add("{{ strftime_now('[%"+fl+c+"]') }}")
for q in ["%5d","%-5d","%Ey","%Od","%","%%","a%","%-","%10Y","%_5m","%^a","%#Z","%dT%H","%Y年%m月%d日","%A, %d %B %Y","%d %b %Y","%B %d, %Y","%03d","%^10B","%-I:%M %p"]: add("{{ strftime_now('["+q+"]') }}")
for j in [0,1,-1,1.0,1.5,-0.0,1e300,10**25,True,None,"","a","é😀","\u2028",[],{},[1,[2,{}]],{"a":{"b":[]}},{"1":2},"<&>\"'","a\nb\tc\\d","\x00\x1f\x7f\x80"]:
    add("{{ x }}|{{ [x] }}|{{ x|tojson }}|{{ x|tojson(indent=2) }}|{{ x|tojson(ensure_ascii=true) }}|{{ x|string|length }}|{{ x is defined }}|{{ x|e }}|{{ {'k':x} }}|{{ x == x }}|{{ x|pprint }}",x=j)

# Places where following Jinja2 would mean following its accidents; see the module's notes on known gaps.
KNOWN_GAPS = [
    "-3 ** 2.5",  # complex numbers
    "('<i>'|safe)|attr('upper')", "('<b>'|safe).upper }}",  # how a bound method of Markup prints
    "{% set ns.m = a %}{% endfor %}{{ ns.m() }}",  # prints the internal word "missing"
    "dict.x",  # generic aliases
]


def main():
    folder, output = sys.argv[1:3]
    nth = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    warnings.simplefilter("ignore")
    with open(os.path.join(folder, "cases.json"), encoding="utf-8") as h:
        doc = json.load(h)
    with open(os.path.join(folder, "probe_vars.json"), encoding="utf-8") as h:
        base = json.load(h)
    env = oracle.make_env(datetime.datetime.fromisoformat(doc["frozen_now"]))
    seen = set()

    def slow(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, slow)
    with open(output, "w", encoding="utf-8") as h:
        row = lambda x: h.write(json.dumps(x, ensure_ascii=False, separators=(",", ":")) + "\n")
        row({"base": oracle.variables({"messages": [], "kwargs": base}, doc["special_tokens"])})
        for template, extra in P:
            key = json.dumps([template, extra])
            digest = int(hashlib.sha256(template.encode()).hexdigest()[:8], 16)
            if key in seen or any(gap in template for gap in KNOWN_GAPS) or (template in PRODUCTS and digest % nth):
                continue
            seen.add(key)
            signal.setitimer(signal.ITIMER_REAL, 5)
            try:
                case = {"messages": [], "kwargs": {**base, **extra}}
                ok, value = oracle.render(env, template, case, doc["special_tokens"])
            except TimeoutError:
                continue
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            oracle._compiled.clear()
            # What depends on addresses, or on the order of a set, or is not Unicode, is no test.
            again = oracle.render(env, template, case, doc["special_tokens"])
            if (ok, value) != again or (ok and (re.search("object|0x7f|bt 0x|At 0x|- ?d.keys|keys\\(\\) -|lipsum", value + template))
                                        or re.search("[\ud800-\udfff]", value)):
                continue
            item = {"source": template}
            if extra:
                item["vars"] = extra
            item["text" if ok else "error"] = value if ok else value.split(":")[0]
            row(item)


main()
