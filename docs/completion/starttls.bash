# Completion of `starttls` for bash: source it, or put it into /etc/bash_completion.d/ under the name `starttls`.
# For zsh, before it: autoload -U +X bashcompinit && bashcompinit. It asks the command itself, so it is never out of date.
_starttls() {
    local word=${COMP_WORDS[COMP_CWORD]} words
    if ((COMP_CWORD == 1)); then
        words=$("${COMP_WORDS[0]}" --help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')
    elif [[ $word == -* ]]; then
        words=$("${COMP_WORDS[0]}" "${COMP_WORDS[1]}" --help 2>/dev/null | grep -oE '(^|[ ,[])--[a-z][a-z-]*' | tr -d ' ,[')
    else
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word" | sort -u)
}
complete -o default -F _starttls starttls
